"""What a log says to Redis: Lua scripts, each of which Redis runs as one step.

Lives here: the scripts, and the names of Redis's keys. Stays out: connections.

A key has a stream of events and a hash (epoch, number of the last, ending), both forgotten at the
same moment; a claim is a hash of its own. A stream's own ids are ``<epoch's time>-<number>``: they
grow when a key begins anew, so that one XREAD goes on over it. Events have no gaps, so the oldest
that is held follows from the stream's length.

A retry is safe: an append is recognised by its writer and number, a claim by its token, a closing
by its token.
"""

from __future__ import annotations

import hashlib
from typing import Final

__all__ = (
    "APPEND",
    "CLAIM",
    "CLAIMED",
    "CLOSE",
    "DELETE",
    "READ",
    "RELEASE",
    "RENEW",
    "TAIL",
    "Names",
    "Script",
)


class Script:
    """A script and the digest under which Redis knows it."""

    __slots__ = ("digest", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        # Redis's own name for it: no secret hangs on it.
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Names:
    """The names of Redis's keys for one of ours."""

    __slots__ = ("claim", "events", "hash", "writer")

    def __init__(self, prefix: str, key: str) -> None:
        base = f"{prefix}:{{{key}}}"
        self.events, self.hash, self.claim = f"{base}:events", f"{base}:hash", f"{base}:claim"
        self.writer = f"{base}:writer:"


# Milliseconds that a writer's last append is remembered, and a claim after its lease.
_WRITER_KEPT, _CLAIM_KEPT = 600_000, 86_400_000

# Milliseconds after the last deletion that the news of it is kept; no wait is as long.
_DELETED_KEPT = 600_000

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

# The fence is KEYS[3] and ARGV[1]; '' is none.
_FENCE = (
    _NOW
    + """
if ARGV[1] ~= '' then
  local held = redis.call('HMGET', KEYS[3], 'token', 'until')
  if held[1] ~= ARGV[1] or tonumber(held[2]) <= now then return {'STALE'} end
end
"""
)

# The key is KEYS[1] and KEYS[2]; it begins with the epoch ARGV[2] where there is none.
_OPEN = """
local hash = redis.call('HMGET', KEYS[2], 'epoch', 'last', 'ending')
local epoch, last, ending = hash[1], tonumber(hash[2]), hash[3]
if not epoch then
  redis.call('DEL', KEYS[1])
  epoch, last, ending = ARGV[2], 0, false
  redis.call('HSET', KEYS[2], 'epoch', epoch, 'last', 0)
end
local time_of = string.format('%.0f', tonumber(string.sub(epoch, 1, 14), 16))
local function id_of(number) return time_of .. '-' .. string.format('%.0f', number) end
"""

_EXPIRE = """
local function expire(ttl)
  for at = 1, 2 do
    if ttl >= 0 then redis.call('PEXPIRE', KEYS[at], ttl) else redis.call('PERSIST', KEYS[at]) end
  end
end
"""

# ARGV: 3 max_events, 4 trim, 5 ttl in ms or -1, 6 number of appends; then for each its number, how
# many events, and their data and meta. KEYS from 4 on: each append's writer.
APPEND: Final = Script(
    _FENCE
    + _OPEN
    + _EXPIRE
    + f"""
local max, trim = tonumber(ARGV[3]), ARGV[4] == '1'
local result, at, before = {{'OK', epoch}}, 7, last
for append = 1, tonumber(ARGV[6]) do
  local writer, number, count = KEYS[3 + append], tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  at = at + 2
  local seen = redis.call('HMGET', writer, 'epoch', 'number', 'first', 'last')
  if seen[1] == epoch and number <= tonumber(seen[2]) then
    result[#result + 1] = {{tonumber(seen[3]), tonumber(seen[4])}}
  elseif ending then
    result[#result + 1] = {{'CLOSED', ending}}
  elseif not trim and redis.call('XLEN', KEYS[1]) + count > max then
    result[#result + 1] = {{'FULL'}}
  else
    for event = 0, count - 1 do
      last = last + 1
      redis.call('XADD', KEYS[1], id_of(last), 'e', epoch,
        'd', ARGV[at + 2 * event], 'm', ARGV[at + 2 * event + 1])
    end
    local first = last - count + 1
    redis.call('HSET', writer, 'epoch', epoch, 'number', number, 'first', first, 'last', last)
    redis.call('PEXPIRE', writer, {_WRITER_KEPT})
    result[#result + 1] = {{first, last}}
  end
  at = at + 2 * count
end
if last > before then
  if trim then redis.call('XTRIM', KEYS[1], 'MAXLEN', max) end
  redis.call('HSET', KEYS[2], 'last', string.format('%.0f', last))
  expire(tonumber(ARGV[5]))
end
return result
"""
)

# ARGV: 3 ending, 4 data, 5 ttl in ms, -1 for none, or '' to leave it, 6 who closes it.
CLOSE: Final = Script(
    _FENCE
    + _OPEN
    + _EXPIRE
    + """
if ending then
  return {'OK', redis.call('HGET', KEYS[2], 'closer') == ARGV[6] and 1 or 0}
end
last = last + 1
redis.call('XADD', KEYS[1], id_of(last), 'e', epoch, 'd', ARGV[4], 'm', '', 'x', ARGV[3])
redis.call('HSET', KEYS[2], 'last', string.format('%.0f', last), 'ending', ARGV[3],
  'closer', ARGV[6])
if ARGV[5] ~= '' then
  expire(tonumber(ARGV[5]))
else
  local ttl = redis.call('PTTL', KEYS[2])
  if ttl > 0 then redis.call('PEXPIRE', KEYS[1], ttl) end
end
return {'OK', 1}
"""
)

# KEYS: 3 where readers in all processes look for what was deleted. ARGV: 1 the key.
DELETE: Final = Script(
    f"""
if redis.call('DEL', KEYS[1], KEYS[2]) > 0 then
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', 256, '*', 'k', ARGV[1])
  redis.call('PEXPIRE', KEYS[3], {_DELETED_KEPT})
end
return 1
"""
)

TAIL: Final = Script("local now = 0\n" + _OPEN + "return {epoch, last}")

# ARGV: 1 epoch of the cursor or '', 2 its number, 3 limit, 4 bytes of a page. An entry's fourth
# value is its data.
READ: Final = Script(
    """
local hash = redis.call('HMGET', KEYS[2], 'epoch', 'last', 'ending')
if not hash[1] then return {'', 0, 0, '', {}} end
local epoch, last, length = hash[1], tonumber(hash[2]), redis.call('XLEN', KEYS[1])
local time_of = string.format('%.0f', tonumber(string.sub(epoch, 1, 14), 16))
local entries, number = {}, tonumber(ARGV[2])
if ARGV[1] == '' then
  if length > 0 then entries = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[3]) end
elseif ARGV[1] == epoch and number < last and number >= last - length then
  local start = time_of .. '-' .. string.format('%.0f', number + 1)
  entries = redis.call('XRANGE', KEYS[1], start, '+', 'COUNT', ARGV[3])
end
local page, size = {}, 0
for at = 1, #entries do
  page[at] = entries[at]
  size = size + #entries[at][2][4]
  if size > tonumber(ARGV[4]) then break end
end
return {epoch, last, length, hash[3] or '', page}
"""
)

# KEYS: 1 the claim. ARGV: 1 token, 2 lease in ms, 3 takeover.
CLAIM: Final = Script(
    _NOW
    + f"""
local held = redis.call('HMGET', KEYS[1], 'token', 'until', 'run')
if held[1] == ARGV[1] then return tonumber(held[3]) end
if held[1] and tonumber(held[2]) > now and ARGV[3] ~= '1' then return 0 end
local run = tonumber(held[3] or '0') + 1
redis.call('HSET', KEYS[1], 'token', ARGV[1], 'run', run,
  'until', string.format('%.0f', now + ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[2] + {_CLAIM_KEPT})
return run
"""
)

RENEW: Final = Script(
    _NOW
    + f"""
local held = redis.call('HMGET', KEYS[1], 'token', 'until')
if held[1] ~= ARGV[1] or tonumber(held[2]) <= now then return 0 end
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[2] + {_CLAIM_KEPT})
return 1
"""
)

RELEASE: Final = Script(
    """
if redis.call('HGET', KEYS[1], 'token') == ARGV[1] then redis.call('HSET', KEYS[1], 'until', 0) end
return 1
"""
)

CLAIMED: Final = Script(
    _NOW
    + """
local held = redis.call('HMGET', KEYS[1], 'token', 'until', 'run')
if not held[1] then return false end
return {tonumber(held[3]), held[1], math.max(0, tonumber(held[2]) - now)}
"""
)
