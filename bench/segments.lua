-- wrk's script: is this user a member? Users at random.
--   wrk … -s bench/segments.lua URL -- SEGMENT KEY PEOPLE
function init(args)
    segment, people = args[1], tonumber(args[3])
    wrk.headers["Authorization"] = "Bearer " .. args[2]
end

function request()
    return wrk.format("GET", "/v1/segments/" .. segment .. "/members/user-" .. math.random(0, people - 1))
end

function done(summary, latency)
    local e = summary.errors
    print(string.format('result {"rate":%.1f,"p50_ms":%.3f,"p99_ms":%.3f,"errors":%d}', summary.requests / summary.duration * 1e6,
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, e.connect + e.read + e.write + e.timeout))
end
