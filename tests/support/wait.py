"""Waiting on a condition with a deadline: the only way a test waits."""
import time


def wait_for(condition, seconds=10, what="the condition", every=0.02):
    """Calls condition until its answer is true, and returns that answer. Raises TimeoutError with what it last saw."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come in {seconds} s: {answer!r}")
        time.sleep(every)
