"""Waiting on a condition with a deadline: the only way a test waits."""
import time

PATIENCE_S = 60  # a loaded machine is no failure


def wait_for(condition, seconds=PATIENCE_S, what="the condition", every=0.02):
    """Calls condition until its answer is true, and returns that answer. Raises TimeoutError with what it last saw."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come in {seconds} s: {answer!r}")
        time.sleep(every)


def least(measure, enough, tries=5):
    """The least of several measurements, the rest left out once one is below enough: a busy machine makes one long, not each."""
    found = measure()
    for _ in range(tries - 1):
        if found < enough:
            break
        found = min(found, measure())
    return found
