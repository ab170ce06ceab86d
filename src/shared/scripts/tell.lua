-- Keeps what sources have said, for replicas that come later, tells it to those that listen, and ends leases.
--
-- KEYS  hashes and leases
-- ARGV  channel, message or nothing, then for each change: the place of its key, what, and two more:
--       'set', 'keep' (for a month) or 'void' (also in place of what is a little newer), field, 'INSTANT VALUE', unless what is there is
--       newer, and not from before the clock was moved back;
--       'done', the lease's token, when the quote arrived;  'free', the lease's token, ''
-- gives {'told', now}
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000000 + time[2])
local day, most, done_for, same = 86400000, 4096, 1000, 250000
local instant = function(value) return tonumber(string.match(value or '', '^%d+')) or 0 end
for i = 3, #ARGV, 4 do
  local key, what, one, other = KEYS[tonumber(ARGV[i])], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  if what == 'set' or what == 'keep' or what == 'void' then
    -- a replica that comes back tells what it has missed to tell
    local before = instant(redis.call('HGET', key, one) or nil)
    local is_newer = before <= instant(other) + (what == 'void' and same or 0) or before > tonumber(now) + 4 * same and what ~= 'keep'
    if is_newer and redis.call('HSET', key, one, other) == 1 and redis.call('HLEN', key) > most then
      -- any other one: a replica that misses it asks for it
      local dropped = redis.call('HRANDFIELD', key)
      if dropped ~= one then redis.call('HDEL', key, dropped) end
    end
    redis.call('PEXPIRE', key, what == 'keep' and 31 * day or day)
  else
    local holders, token = string.match(redis.call('GET', key) or '', '^(%d+) held (%S+)')
    local lease = token == one and holders .. (what == 'done' and ' done - ' .. other or ' free ' .. string.match(one, '^%w+') .. ' ' .. now)
    if lease and what == 'done' then redis.call('SET', key, lease, 'PX', done_for) end
    if lease and what == 'free' then redis.call('SET', key, lease, 'KEEPTTL') end
  end
end
if ARGV[2] ~= '' then redis.call('PUBLISH', ARGV[1], ARGV[2]) end
return {'told', now}
