-- Appends requests to the log; each request is written in full or not at all. Everything that can fail is checked
-- before anything is written, because a script that fails half-way keeps its writes.
--
-- KEYS[1] log (stream)  KEYS[2] in flight (zset)  KEYS[3..] one hash per subject
--   subject hash: n = events so far, p = their positions "1,7,9", c:<idempotency key> = position, gone = 1 once sealed,
--   fence = number of fenced changes so far; absent in logs of older releases
-- ARGV: number of requests, then per request:
--   key of the idempotency scope | idempotency key or "" | expected versions (count, then key + version each)
--   | key of the fence or 0, its expected value, its next value
--   | events (count, then key, subject, type, data, due, traceparent, seals each)
--   due: "" untouched, "-" out of flight, "+30" due in 30 s, else a time in s since the epoch
--   seals: "1" if nothing can be appended to the subject afterwards, else ""
-- Returns one row per request: {"ok", first, last} | {"known", position} | {"conflict", version, key} | {"gone", 0}

local log, in_flight = KEYS[1], KEYS[2]
local at = 1
local function take() local v = ARGV[at]; at = at + 1; return v end

local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local position, last_ms = 0, 0
if newest then
  position = tonumber(string.match(newest[1], '^%d+'))
  last_ms = tonumber(newest[2][6])  -- fields are written in one order: t, s, at, d
end
local now = redis.call('TIME')
local now_s = tonumber(now[1]) + tonumber(now[2]) / 1000000
-- time never decreases, whatever the machine's clock does: as-of by time stays monotonic
local ms = math.max(last_ms, math.floor(tonumber(now[1]) * 1000 + tonumber(now[2]) / 1000))

local states = {}  -- per subject key: its hash as stored, and what this run added
local function state_of(key)
  if not states[key] then
    local is = redis.call('HMGET', key, 'n', 'p', 'gone')
    states[key] = {n = tonumber(is[1] or '0'), p = is[2], gone = is[3]}
  end
  return states[key]
end

local results = {}
for unit = 1, tonumber(take()) do
  local claim_key, claim = KEYS[tonumber(take())], take()
  local refusal = nil
  if claim ~= '' then
    local taken = redis.call('HGET', claim_key, 'c:' .. claim)
    if taken then refusal = {'known', tonumber(taken)} end
  end
  for _ = 1, tonumber(take()) do
    local index, version = tonumber(take()), tonumber(take())
    local is = state_of(KEYS[index]).n
    if not refusal and is ~= version then refusal = {'conflict', is, index} end
  end
  local fence, fence_expected, fence_next = tonumber(take()), take(), take()
  if fence > 0 then
    local held = redis.call('HGET', KEYS[fence], 'fence')
    if not refusal and held and held ~= fence_expected then refusal = {'conflict', tonumber(held), fence} end
  end
  local events = {}
  for i = 1, tonumber(take()) do
    local e = {key = KEYS[tonumber(take())], subject = take(), type = take(), data = take(), due = take(), trace = take(), seals = take()}
    if not refusal and state_of(e.key).gone then refusal = {'gone', 0} end
    events[i] = e
  end
  if not refusal then
    local first = position + 1
    for _, e in ipairs(events) do
      position = position + 1
      local fields = {'t', e.type, 's', e.subject, 'at', string.format('%.0f', ms), 'd', e.data}
      if e.trace ~= '' then fields[9] = 'tp'; fields[10] = e.trace end
      redis.call('XADD', log, string.format('%d-0', position), unpack(fields))
      local state = states[e.key]
      state.n = state.n + 1
      state.p = state.p and state.p .. ',' .. string.format('%d', position) or string.format('%d', position)
      redis.call('HSET', e.key, 'n', state.n, 'p', state.p)
      if e.seals == '1' then redis.call('HSET', e.key, 'gone', 1); state.gone = true end
      if e.due == '-' then redis.call('ZREM', in_flight, e.subject)
      elseif string.sub(e.due, 1, 1) == '+' then redis.call('ZADD', in_flight, now_s + tonumber(e.due), e.subject)
      elseif e.due ~= '' then redis.call('ZADD', in_flight, e.due, e.subject) end
    end
    if fence > 0 and fence_next ~= fence_expected then redis.call('HSET', KEYS[fence], 'fence', fence_next) end
    if claim ~= '' then redis.call('HSET', claim_key, 'c:' .. claim, string.format('%d', position)) end
    results[unit] = {'ok', first, position}
  else
    results[unit] = refusal
  end
end
return results
