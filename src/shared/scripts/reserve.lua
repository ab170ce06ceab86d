-- Takes units of an account's limits, and leases of what they are for, or says how long to wait.
--
-- KEYS  the members, the account, then the lease of each symbol that other replicas must not ask for meanwhile
-- ARGV  replica, instant of the last reply it has had, run, the account's epoch, replicas, hold, usual duration of a call,
--       how many limits, then calls and period of each, how many units, then the name of each; then 1 if what others ask for is left to them,
--       how long ago the symbols were asked for, how long a lease lasts, its token
-- gives {'granted', now, last instant of the calls, then the places of the symbols that were granted to others meanwhile},
--       {'elsewhere', now, the last instant of their leases} if others ask for all symbols,
--       {'split', now, then the places of those that others ask for} if they ask for some, and nothing is granted,
--       {'full', now, longest wait, likely wait, calls, period},
--       or {'strange', now} to a replica that has to introduce itself first
--
-- A lease is 'HOLDERS held TOKEN END', 'HOLDERS free REPLICA INSTANT' after a failure there, or 'HOLDERS done - INSTANT', when the quote
-- arrived. What lies too far ahead was written before the clock was moved back, and says nothing.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local second, minute, day = 1000000, 60000000, 86400000000
local text = function(number) return string.format('%.0f', number) end
local members, account = KEYS[1], KEYS[2]
local replica, heard, run, epoch = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local replicas, hold, usual = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])

local known = redis.call('ZRANGE', members, -1, -1, 'BYSCORE')[1]
local since = known and string.match(known, '^epoch:' .. run .. ':(%d+)$')
local of_account = redis.call('ZRANGE', account, -1, -1, 'BYSCORE')[1]
if not since or of_account ~= 'epoch:' .. run .. ':' .. epoch or not redis.call('ZSCORE', members, replica) then
  return {'strange', text(now)}
end
if heard <= now then redis.call('ZADD', members, 'XX', 'GT', text(heard), replica) end

-- of each period: the strictest of the limits that members have stated within a minute, and the largest share that any member of
-- the last day may spend by itself
local calls_in, share_in, periods = {}, {}, {}
local state = function(calls, period, of_replicas, is_recent)
  share_in[period] = math.max(share_in[period] or 0, math.floor(calls / of_replicas))
  if is_recent and not calls_in[period] then periods[#periods + 1] = period end
  if is_recent then calls_in[period] = math.min(calls_in[period] or calls, calls) end
end
local at = 9
for _ = 1, tonumber(ARGV[8]) do
  state(tonumber(ARGV[at]), tonumber(ARGV[at + 1]), replicas, true)
  at = at + 2
end
redis.call('ZREMRANGEBYSCORE', account, text(day - now), -2)
local longest, longest_hold, introduced = 0, hold, {}
local stated = redis.call('ZRANGE', account, '-inf', -2, 'BYSCORE', 'WITHSCORES')
for i = 1, #stated, 2 do
  local name, of_replicas, of_hold, limits = string.match(stated[i], '^of:(%w+):(%d+):(%d+):(.*)$')
  local stated_at = -tonumber(stated[i + 1])
  longest_hold = math.max(longest_hold, tonumber(of_hold))
  -- what was stated to an earlier epoch says nothing of the units in this one
  introduced[name] = stated_at >= tonumber(epoch)
  for calls, period in string.gmatch(limits, '(%d+)/(%d+)') do
    longest = math.max(longest, tonumber(period))
    state(tonumber(calls), tonumber(period), tonumber(of_replicas), stated_at > now - minute)
  end
end
for _, period in ipairs(periods) do longest = math.max(longest, period) end
redis.call('ZREMRANGEBYSCORE', account, 0, text(now - longest))

local first, last = at + 1, at + tonumber(ARGV[at])
local leaves, asked = ARGV[last + 1] == '1', now - tonumber(ARGV[last + 2])
local lease_for, token = tonumber(ARGV[last + 3]), ARGV[last + 4]
local held
for i = first, last do held = held or redis.call('ZSCORE', account, ARGV[i]) end

-- the symbols that are left to others, and how many holders the lease of each other one has had then
local elsewhere, left_until, holders_of = {}, now, {}
for i = 3, #KEYS do
  local holders, state, who, at_that = string.match(redis.call('GET', KEYS[i]) or '', '^(%d+) (%a+) (%S+) (%d+)$')
  holders, at_that = tonumber(holders) or 0, tonumber(at_that) or 0
  local is_own = state == 'held' and string.match(who, '^%w+') == replica
  local ends
  if state == 'held' and not is_own and at_that <= now + math.max(lease_for, minute) then
    ends = at_that
  elseif held then
    -- asked a second time, because the first reply was late: nothing more is taken
    ends = nil
  elseif state == 'done' and at_that >= asked and at_that <= now then
    -- it is told to all in this moment
    ends = now + second
  elseif state ~= 'free' then
    holders_of[i] = is_own and holders or 1
  elseif holders < 2 and who ~= replica then
    -- a replica that has failed takes no lease, and after two that have, each may ask for itself
    holders_of[i] = holders + 1
  end
  if ends and leaves then
    elsewhere[#elsewhere + 1] = text(i - 2)
    left_until = math.max(left_until, ends)
  end
end
if #elsewhere > 0 and #elsewhere == #KEYS - 2 then return {'elsewhere', text(now), text(left_until)} end
if held then return {'granted', text(now), text(tonumber(held)), unpack(elsewhere)} end
if #elsewhere > 0 then return {'split', text(now), unpack(elsewhere)} end
local units = last - first + 1

local present = redis.call('ZCOUNT', members, '(' .. text(now - second), text(now + second))
local absent = math.max(0, math.min(redis.call('ZCOUNT', members, 0, '+inf') - present, replicas - present))
local born = math.max(tonumber(epoch), tonumber(since))
local worst, likely, limit, of = 0, 0, 0, 0
local wait = function(longest_wait, likely_wait, calls, period)
  if longest_wait > worst then worst, limit, of = longest_wait, calls, period end
  likely = math.max(likely, likely_wait)
end
for _, period in ipairs(periods) do
  local calls = calls_in[period]
  local allowed = calls
  if period <= minute then
    -- what absent replicas may spend by themselves
    allowed = calls - absent * share_in[period]
    -- units from before this epoch may be missing here
    local full_until = math.max(tonumber(epoch) + period + longest_hold, tonumber(since) + second)
    if now < full_until then wait(full_until - now, full_until - now, calls, period) end
  elseif now < born + minute then
    local all_here = now >= born + 2 * second
    for _, member in ipairs(redis.call('ZRANGE', members, text(now - minute), '+inf', 'BYSCORE')) do
      all_here = all_here and introduced[member]
    end
    if not all_here then wait(born + minute - now, second, calls, period) end
  end
  local past = '(' .. text(now - period)
  local excess = redis.call('ZCOUNT', account, past, '+inf') + units - allowed
  if excess > 0 then
    local unit = redis.call('ZRANGE', account, past, '+inf', 'BYSCORE', 'LIMIT', excess - 1, 1, 'WITHSCORES')
    local ends = tonumber(unit[2]) or now
    wait(ends + period - now, math.min(ends, now + usual) + period - now, calls, period)
  end
end
if worst == 0 and redis.call('ZCARD', account) + units > 100000 then wait(second, second, 100000, longest) end
if worst > 0 then return {'full', text(now), text(worst), text(likely), text(limit), text(of)} end
local ends = text(now + hold)
for i = first, last do redis.call('ZADD', account, ends, ARGV[i]) end
for i, holders in pairs(holders_of) do
  redis.call('SET', KEYS[i], holders .. ' held ' .. token .. ' ' .. text(now + lease_for), 'PX', text(lease_for / 1000))
end
return {'granted', text(now), ends}
