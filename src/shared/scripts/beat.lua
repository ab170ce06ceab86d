-- Shows that a replica hears the store, and tells it which other members there are.
--
-- KEYS  the members
-- ARGV  replica, run, instant of the last reply it has had, 0 if that shows nothing because it has not entered yet
-- gives {'heard', now, then each member and when it was heard}, or {'strange', now} to a replica that has to enter first
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local text = function(number) return string.format('%.0f', number) end
local members, replica, run = KEYS[1], ARGV[1], ARGV[2]

local known = redis.call('ZRANGE', members, -1, -1, 'BYSCORE')[1]
if not known or not string.find(known, 'epoch:' .. run .. ':', 1, true) or not redis.call('ZSCORE', members, replica) then
  return {'strange', text(now)}
end
-- the store's clock may have been set back since
if tonumber(ARGV[3]) <= now then redis.call('ZADD', members, 'XX', 'GT', ARGV[3], replica) end
-- one that was not heard for a day spends nothing any more
redis.call('ZREMRANGEBYSCORE', members, 0, text(now - 86400000000))
redis.call('PEXPIRE', members, 604800000)
local reply = {'heard', text(now)}
local entries = redis.call('ZRANGE', members, 0, '+inf', 'BYSCORE', 'WITHSCORES')
for i = 1, #entries, 2 do
  reply[#reply + 1] = entries[i]
  reply[#reply + 1] = text(tonumber(entries[i + 1]))
end
return reply
