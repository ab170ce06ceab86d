-- Signs a replica off: it spends nothing any more.
--
-- KEYS  the members
-- ARGV  replica
-- gives {'left', now}
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], 'XX', 0, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, 0)
return {'left', string.format('%.0f', time[1] * 1000000 + time[2])}
