-- Keeps what sources have said, for replicas that come later, tells it to those that listen, and ends leases.
--
-- KEYS  hashes and leases
-- ARGV  channel, message or nothing, then for each change: the place of its key, what, and two more:
--       'set', field, value;  'drop', field, '';  'done' or 'free', the lease's token, ''
-- gives {'told', now}
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000000 + time[2])
local day, most, done_for = 86400000, 4096, 1000
for i = 3, #ARGV, 4 do
  local key, what, one, other = KEYS[tonumber(ARGV[i])], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  if what == 'set' then
    if redis.call('HSET', key, one, other) == 1 and redis.call('HLEN', key) > most then
      -- any other one: a replica that misses it asks for it
      local dropped = redis.call('HRANDFIELD', key)
      if dropped ~= one then redis.call('HDEL', key, dropped) end
    end
    redis.call('PEXPIRE', key, day)
  elseif what == 'drop' then
    redis.call('HDEL', key, one)
  else
    local holders, token = string.match(redis.call('GET', key) or '', '^(%d+) held (%S+)')
    if token == one and what == 'done' then redis.call('SET', key, holders .. ' done - ' .. now, 'PX', done_for) end
    if token == one and what == 'free' then redis.call('SET', key, holders .. ' free - ' .. now, 'KEEPTTL') end
  end
end
if ARGV[2] ~= '' then redis.call('PUBLISH', ARGV[1], ARGV[2]) end
return {'told', now}
