-- Enters a replica among the members, with the members that it knows of. It has introduced itself to every account before.
--
-- KEYS  the members
-- ARGV  replica, run, instant of the last reply it has had, by how much the store's clock was moved since it last entered, then for
--       each member its name and how long ago it was heard
-- gives {'entered', now}
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local text = function(number) return string.format('%.0f', number) end
local members, replica, run, heard, moved = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

-- instants that lie ahead are those of another clock
for _, member in ipairs(redis.call('ZRANGE', members, text(now + 1000000), '+inf', 'BYSCORE')) do
  redis.call('ZADD', members, text(now - 1000001), member)
end
local known = redis.call('ZRANGE', members, -1, -1, 'BYSCORE')[1]
if moved ~= 0 or not known or not string.find(known, 'epoch:' .. run .. ':', 1, true) then
  redis.call('ZREMRANGEBYSCORE', members, -1, -1)
  redis.call('ZADD', members, -1, 'epoch:' .. run .. ':' .. text(now))
end
for i = 5, #ARGV, 2 do
  redis.call('ZADD', members, 'NX', text(now - tonumber(ARGV[i + 1])), ARGV[i])
end
-- not now: this may have waited for long, while the replica gave up and spends its own share
redis.call('ZADD', members, text(math.min(heard, now)), replica)
redis.call('PEXPIRE', members, 604800000)
return {'entered', text(now)}
