-- POST one picture over and over; print what came back as JSON.
local file = assert(io.open(os.getenv("PICTURE"), "rb"))
wrk.method, wrk.body = "POST", file:read("*a")
wrk.headers["Content-Type"] = "image/png"
file:close()

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init()
  read, busy, other = 0, 0, 0
end

function response(status)
  if status == 200 then read = read + 1
  elseif status == 503 then busy = busy + 1
  else other = other + 1 end
end

function done(summary, latency)
  local read, busy, other = 0, 0, 0
  for _, thread in ipairs(threads) do
    read, busy = read + thread:get("read"), busy + thread:get("busy")
    other = other + thread:get("other")
  end
  local errors = summary.errors
  print(string.format(
    '{"seconds": %.3f, "read": %d, "busy": %d, "other": %d, "lost": %d, "p50_ms": %.3f, "p99_ms": %.3f}',
    summary.duration / 1e6, read, busy, other,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
