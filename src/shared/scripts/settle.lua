-- Lets units count from now on, or not at all, because their calls have ended. They never count for longer than before.
--
-- KEYS  the account
-- ARGV  for each unit its name, and 1 if the vendor may have counted it, else 0
-- gives {'settled', now}
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000000 + time[2])
for i = 1, #ARGV, 2 do
  redis.call('ZADD', KEYS[1], 'XX', 'LT', ARGV[i + 1] == '1' and now or 0, ARGV[i])
end
return {'settled', now}
