-- Appends units of events to the log; each unit is written whole or not at all. Everything that can fail is checked
-- before anything is written, because a script that fails half-way keeps what it wrote.
--
-- KEYS[1] log (stream)  KEYS[2] in flight (zset)  KEYS[3..] one hash per subject
--   subject hash: n = events so far, p = their positions "1,7,9", c:<claim> = position, gone = 1 once withdrawn
-- ARGV: units, then per unit:
--   key of the claim's subject | claim or "" | expectations (count, then key + version each)
--   | events (count, then key, subject, type, data, due, traceparent each)
--   due: "" untouched, "-" out of flight, "+30" look again in 30 s, else a time in s since the epoch
-- Returns one row per unit: {"ok", first, last} | {"known", position} | {"conflict", version, key} | {"gone", 0}

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
-- time never runs back, whatever the machine's clock does: as-of by time stays monotonic
local ms = math.max(last_ms, math.floor(tonumber(now[1]) * 1000 + tonumber(now[2]) / 1000))

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
    local is = tonumber(redis.call('HGET', KEYS[index], 'n') or '0')
    if not refusal and is ~= version then refusal = {'conflict', is, index} end
  end
  local events = {}
  for i = 1, tonumber(take()) do
    local e = {key = KEYS[tonumber(take())], subject = take(), type = take(), data = take(), due = take(), trace = take()}
    if not refusal and redis.call('HEXISTS', e.key, 'gone') == 1 then refusal = {'gone', 0} end
    events[i] = e
  end
  if not refusal then
    local first = position + 1
    for _, e in ipairs(events) do
      position = position + 1
      local fields = {'t', e.type, 's', e.subject, 'at', string.format('%.0f', ms), 'd', e.data}
      if e.trace ~= '' then fields[9] = 'tp'; fields[10] = e.trace end
      redis.call('XADD', log, string.format('%d-0', position), unpack(fields))
      local n = redis.call('HINCRBY', e.key, 'n', 1)
      local known = n > 1 and redis.call('HGET', e.key, 'p') .. ',' or ''
      redis.call('HSET', e.key, 'p', known .. string.format('%d', position))
      if e.type == 'item.withdrawn' then redis.call('HSET', e.key, 'gone', 1) end
      if e.due == '-' then redis.call('ZREM', in_flight, e.subject)
      elseif string.sub(e.due, 1, 1) == '+' then redis.call('ZADD', in_flight, now_s + tonumber(e.due), e.subject)
      elseif e.due ~= '' then redis.call('ZADD', in_flight, e.due, e.subject) end
    end
    if claim ~= '' then redis.call('HSET', claim_key, 'c:' .. claim, string.format('%d', position)) end
    results[unit] = {'ok', first, position}
  else
    results[unit] = refusal
  end
end
return results
