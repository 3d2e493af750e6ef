-- One of 2,000 objects, each time another: what is asked for is seldom in memory.
wrk.headers["Host"] = "bench.test"
local path = os.getenv("BENCH_PATH") or "/many/"
request = function()
    return wrk.format("GET", path .. math.random(2000))
end
