-- States a replica's limits for an account, and adds the units that it knows of. To state them again, without the units, the epoch
-- must be the one in which it has added them.
--
-- KEYS  the account
-- ARGV  replica, run, the epoch that it knows ('' for none), by how much the store's clock was moved since, 'renew' if it was
--       introduced to another server meanwhile, 'again', or 'add'; then 'replicas:longest hold:calls/period,…' ('' if more
--       units follow), then for each unit its name and how long ago its call ended: below 0 for one that goes on
-- gives {'introduced', now, epoch, how many other replicas have stated other limits within a minute, the longest hold of all},
--       or {'strange', now} if it cannot state them again
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local text = function(number) return string.format('%.0f', number) end
local account, replica, run, epoch, moved, what = KEYS[1], ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local statement = ARGV[6]

local known = redis.call('ZRANGE', account, -1, -1, 'BYSCORE')[1]
local of_run, since
if known then of_run, since = string.match(known, '^epoch:([^:]*):(%d+)$') end
if what == 'again' and (of_run ~= run or since ~= epoch) then return {'strange', text(now)} end
-- of several replicas that notice that the clock was moved, only the first still knows the epoch
local is_moved = since == epoch and moved ~= 0
if is_moved then
  for _, range in ipairs({{1, '+inf', 1}, {'-inf', -2, -1}}) do
    local entries = redis.call('ZRANGE', account, range[1], range[2], 'BYSCORE', 'WITHSCORES')
    for i = 1, #entries, 2 do
      redis.call('ZADD', account, text(tonumber(entries[i + 1]) + range[3] * moved), entries[i])
    end
  end
end
-- or no replica was there to notice it: what lies ahead has ended by now at the latest
local is_ahead = since and tonumber(since) > now
if is_ahead then
  for _, unit in ipairs(redis.call('ZRANGE', account, text(now), '+inf', 'BYSCORE')) do
    redis.call('ZADD', account, text(now), unit)
  end
end
if of_run ~= run or is_moved or is_ahead or what == 'renew' then
  redis.call('ZREMRANGEBYSCORE', account, -1, -1)
  since = text(now)
  redis.call('ZADD', account, -1, 'epoch:' .. run .. ':' .. since)
end

local longest = 0
local own = 'of:' .. replica .. ':'
for _, other in ipairs(redis.call('ZRANGE', account, '-inf', -2, 'BYSCORE')) do
  if statement ~= '' and string.sub(other, 1, #own) == own then redis.call('ZADD', account, 0, other) end
  for period in string.gmatch(other, '/(%d+)') do longest = math.max(longest, tonumber(period)) end
end
redis.call('ZREMRANGEBYSCORE', account, 0, 0)
if statement ~= '' then redis.call('ZADD', account, text(-now), own .. statement) end
for period in string.gmatch(statement, '/(%d+)') do longest = math.max(longest, tonumber(period)) end
for i = 7, #ARGV, 2 do
  redis.call('ZADD', account, 'LT', text(now - tonumber(ARGV[i + 1])), ARGV[i])
end
local kept_for = text((longest + 86400000000) / 1000)
redis.call('PEXPIRE', account, kept_for, 'NX')
redis.call('PEXPIRE', account, kept_for, 'GT')

local others, longest_hold = 0, 0
local stated = redis.call('ZRANGE', account, '-inf', -2, 'BYSCORE', 'WITHSCORES')
for i = 1, #stated, 2 do
  local hold, limits = string.match(stated[i], '^of:%w+:%d+:(%d+):(.*)$')
  longest_hold = math.max(longest_hold, tonumber(hold))
  local is_recent = -tonumber(stated[i + 1]) > now - 60000000
  if is_recent and limits ~= string.match(statement, '^%d+:%d+:(.*)$') then others = others + 1 end
end
return {'introduced', text(now), since, text(others), text(longest_hold)}
