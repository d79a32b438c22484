-- wrk's script: POSTs of events that differ in messageId and user, as an SDK sends them, one or many in a body.
--   wrk … -s bench/post.lua URL -- RUN WRITE_KEY EVENTS USERS
-- RUN sets the messageIds of one run apart from another's. Prints the result as one line of JSON, beginning with "result ".
local thread_number = 0

function setup(thread)
    thread_number = thread_number + 1
    thread:set("number", thread_number)
end

function init(args)
    run, events, users, sent, second, stamp = args[1], tonumber(args[3]), tonumber(args[4]), 0, 0, ""
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    wrk.headers["Authorization"] = "Basic " .. args[2]
    math.randomseed(number)
end

-- A second ago: never in the server's future, so the client's own timestamp is kept.
local function clock()
    local now = os.time()
    if now ~= second then
        second, stamp = now, os.date("!%Y-%m-%dT%H:%M:%S", now - 1)
    end
    return stamp
end

local function event(at)
    sent = sent + 1
    return string.format('{"type":"track","messageId":"bench-%s-%d-%d","userId":"user-%d","event":"Product Viewed","timestamp":"%s.%03dZ",' ..
        '"properties":{"product_id":"p%d","category":"boots","name":"Walking boot","price":%d.99,"currency":"EUR","position":%d},' ..
        '"context":{"library":{"name":"analytics-node","version":"3.1.0"},"campaign":{"source":"newsletter"}}}',
        run, number, sent, math.random(users), at, sent % 1000, sent % 5000, sent % 200, sent % 10)
end

function request()
    local at, body = clock(), nil
    if events == 1 then
        body = event(at)
    else
        local items = {}
        for i = 1, events do
            items[i] = event(at)
        end
        body = '{"batch":[' .. table.concat(items, ",") .. '],"sentAt":"' .. at .. '.999Z"}'
    end
    return wrk.format(nil, nil, nil, body)
end

function done(summary, latency)
    local e = summary.errors
    print(string.format('result {"requests":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,"errors":%d}', summary.requests,
        summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
        e.connect + e.read + e.write + e.status + e.timeout))
end
