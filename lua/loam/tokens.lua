-- The file of access tokens: who may do what. Lines of JSON; the first names the format, each other
-- is one token:
--
--     {"loam_tokens":1}
--     {"id":"<16 hex digits>","sha256":"<64 hex digits>","roles":["read"],"buckets":["orders"],
--      "prefixes":["2024/"],"created_at_ms":1,"expires_at_ms":2,"revoked_at_ms":3,"note":"..."}
--
-- A token's text is "loam_<id>_<secret>"; the file holds only the SHA-256 of the secret, so nobody
-- gains access by reading it. It is changed under a lock and replaced whole (core/host/files.c), so
-- a server that reads it meanwhile sees the old list or the new one. Used by loam.gate and the
-- command `loam token`.
local ffi = require "ffi"
local json = require "loam.json"
local C = require "loam.native"

local tokens = {}
local FILE_BYTES_USUAL = 64 * 1024
local FILE_BYTES_MAX = 4 * 1024 * 1024
local NOTE_BYTES_MAX = 200
local ID_BYTES, SECRET_BYTES = 8, 32
local PREFIX_MARK = "b64u:"
local HEADER = '{"loam_tokens":1}'

tokens.ROLES = { "read", "write", "exec", "deploy", "admin" }

local IS_ROLE = {}
for _, role in ipairs(tokens.ROLES) do
  IS_ROLE[role] = true
end

local MEMBERS = { id = true, sha256 = true, roles = true, buckets = true, prefixes = true,
  created_at_ms = true, expires_at_ms = true, revoked_at_ms = true, note = true }

local err = ffi.new("loam_error")

local function hex(bytes)
  return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

local function random_bytes(size)
  local room = ffi.new("uint8_t[?]", size)
  if C.host_random(room, size) ~= 0 then
    error("the system gives no random bytes", 0)
  end
  return ffi.string(room, size)
end

--- SHA-256 as 32 bytes.
function tokens.sha256(text)
  local room = ffi.new("uint8_t[32]")
  if C.host_sha256(text, #text, room) ~= 0 then
    error("out of memory", 0)
  end
  return ffi.string(room, 32)
end

-- ---- What a token is made of ----

local function is_list_of_texts(list)
  if type(list) ~= "table" then
    return false
  end
  local count = 0
  for _, text in pairs(list) do
    count = count + 1
    if type(text) ~= "string" then
      return false
    end
  end
  return count == #list
end

local function check_roles(roles)
  if not is_list_of_texts(roles) or #roles == 0 then
    return "roles are one or more of " .. table.concat(tokens.ROLES, ", ")
  end
  for _, role in ipairs(roles) do
    if not IS_ROLE[role] then
      return ("no role '%s': there are %s"):format(role, table.concat(tokens.ROLES, ", "))
    end
  end
end

local function check_scope(buckets, prefixes)
  if not is_list_of_texts(buckets) or not is_list_of_texts(prefixes) then
    return "buckets and prefixes are lists of texts"
  end
  for _, bucket in ipairs(buckets) do
    if #bucket < 1 or #bucket > 64 or bucket:find("[^%w._-]") then
      return ("'%s' is no name of a bucket: 1 to 64 of A-Z a-z 0-9 . _ -"):format(bucket)
    end
  end
  for _, prefix in ipairs(prefixes) do
    if prefix == "" then
      return "a prefix has at least one byte; without prefixes every key is allowed"
    end
  end
end

local function check_time(value)
  return value == nil or type(value) == "number" and value >= 0 and value < 2 ^ 53
end

--- Says in one line what is wrong with {roles, buckets, prefixes, note, expires_at_ms}, or nothing.
---@return string?
function tokens.check(given)
  local message = check_roles(given.roles) or check_scope(given.buckets or {}, given.prefixes or {})
  if message then
    return message
  elseif given.note ~= nil and (type(given.note) ~= "string" or #given.note > NOTE_BYTES_MAX
    or not json.is_utf8(given.note)) then
    return ("the note is a text of at most %d bytes"):format(NOTE_BYTES_MAX)
  elseif not check_time(given.expires_at_ms) then
    return "the time of expiry is milliseconds since 1970"
  end
end

-- ---- Prefixes are bytes ----

local function prefix_text(prefix)
  if json.is_utf8(prefix) and prefix:sub(1, #PREFIX_MARK) ~= PREFIX_MARK then
    return prefix
  end
  return PREFIX_MARK .. json.base64url(prefix)
end

--- The bytes of a prefix as people write it; "b64u:<base64url>" stands for what is no text.
---@return string? bytes
function tokens.prefix_of_text(text)
  if text:sub(1, #PREFIX_MARK) ~= PREFIX_MARK then
    return text
  end
  return json.base64url_decode(text:sub(#PREFIX_MARK + 1))
end

local function map(list, fn)
  local made = json.array()
  for at, value in ipairs(list or {}) do
    made[at] = fn(value)
    if made[at] == nil then
      return nil
    end
  end
  return made
end

-- ---- The file ----

local function is_hex(text, size)
  return type(text) == "string" and #text == size and not text:find("[^0-9a-f]")
end

-- What is wrong with the members that only the file has.
local function check_own_members(row)
  for name in pairs(row) do
    if not MEMBERS[name] then
      return ("unknown member '%s'"):format(tostring(name))
    end
  end
  if not is_hex(row.id, 2 * ID_BYTES) then
    return "id is 16 hex digits"
  elseif not is_hex(row.sha256, 64) then
    return "sha256 is 64 hex digits"
  elseif not check_time(row.created_at_ms) or not check_time(row.revoked_at_ms) then
    return "times are milliseconds since 1970"
  end
end

local function parse_row(line)
  local row, message = json.decode(line)
  if message or type(row) ~= "table" then
    return nil, message or "no JSON object"
  end
  message = check_own_members(row) or tokens.check(row)
  row.prefixes = not message and map(row.prefixes, tokens.prefix_of_text) or nil
  row.buckets = row.buckets or {}
  if not row.prefixes then
    return nil, message or "a prefix is no base64url"
  end
  return row
end

--- Returns the rows of a file's text, or nil and one line.
---@param text string
---@param path string  for the message
function tokens.parse(text, path)
  local rows, seen, number = {}, {}, 0
  for line in text:gmatch("[^\n]+") do
    number = number + 1
    if number == 1 then
      if line ~= HEADER then
        return nil, ("%s is no file of tokens: its first line is not %s"):format(path, HEADER)
      end
    else
      local row, message = parse_row(line)
      if row and seen[row.id] then
        row, message = nil, "the id " .. row.id .. " is there twice"
      end
      if not row then
        return nil, ("%s:%d: %s"):format(path, number, message)
      end
      seen[row.id] = true
      rows[#rows + 1] = row
    end
  end
  if number == 0 then
    return nil, path .. " is empty: no file of tokens"
  end
  return rows
end

local function read(path)
  local room = ffi.new("char[?]", FILE_BYTES_USUAL)
  local size = C.host_file_read_private(path, room, FILE_BYTES_USUAL, err)
  if size == C.LOAM_TOO_LARGE then
    room = ffi.new("char[?]", FILE_BYTES_MAX)
    size = C.host_file_read_private(path, room, FILE_BYTES_MAX, err)
  end
  if size < 0 then
    return nil, ffi.string(err.text), ffi.string(C.loam_code_name(tonumber(size)))
  end
  return ffi.string(room, size)
end

--- Returns the tokens of a file; or nil, one line, CODE (NOT_FOUND when there is no file).
---@param path string
---@return table[]? rows, string? message, string? code
function tokens.load(path)
  local text, message, code = read(path)
  if not text then
    return nil, message, code
  end
  local rows
  rows, message = tokens.parse(text, path)
  return rows, message, not rows and "CORRUPT" or nil
end

local function text_of(rows)
  local lines = { HEADER }
  for at, row in ipairs(rows) do
    local copy = {}
    for name, value in pairs(row) do
      copy[name] = value
    end
    copy.roles = json.array({ unpack(row.roles) })
    copy.buckets = json.array({ unpack(row.buckets) })
    copy.prefixes = map(row.prefixes, prefix_text)
    lines[at + 1] = json.encode(copy)
  end
  return table.concat(lines, "\n") .. "\n"
end

local function change_locked(path, change)
  local rows, message, code = tokens.load(path)
  if not rows and code ~= "NOT_FOUND" then
    return nil, message, code
  end
  rows = rows or {}
  local result
  result, message, code = change(rows)
  if not result then
    return nil, message, code
  end
  local text = text_of(rows)
  if #text > FILE_BYTES_MAX then
    return nil, ("%s: the list would have %d bytes, most are %d"):format(path, #text,
      FILE_BYTES_MAX), "TOO_LARGE"
  end
  local failed = C.host_file_replace(path, text, #text, err)
  if failed ~= 0 then
    return nil, ffi.string(err.text), ffi.string(C.loam_code_name(failed))
  end
  return result
end

-- Reads, changes and replaces the file while nobody else does. change(rows) gives what is returned.
local function change_file(path, change)
  local lock = C.host_file_lock(path, err)
  if lock < 0 then
    return nil, ffi.string(err.text), ffi.string(C.loam_code_name(lock))
  end
  local is_ok, result, message, code = pcall(change_locked, path, change)
  C.host_file_close(lock)
  if not is_ok then
    error(result, 0)
  end
  return result, message, code
end

-- ---- Creating and revoking ----

--- Makes a token and keeps it in the file, which is made when absent. Returns {text, row}: the text
--- is nowhere else, ever. Or nil, one line, CODE.
---@param path string
---@param given table  {roles, buckets, prefixes, note, expires_at_ms}
function tokens.create(path, given)
  local message = tokens.check(given)
  if message then
    return nil, message, "INVALID"
  end
  local id = hex(random_bytes(ID_BYTES))
  local secret = json.base64url(random_bytes(SECRET_BYTES))
  local row = {
    id = id, sha256 = hex(tokens.sha256(secret)), roles = given.roles,
    buckets = given.buckets or {}, prefixes = given.prefixes or {}, note = given.note,
    created_at_ms = math.floor(C.host_now_ms()), expires_at_ms = given.expires_at_ms,
  }
  return change_file(path, function(rows)
    rows[#rows + 1] = row
    return { text = ("loam_%s_%s"):format(id, secret), row = row }
  end)
end

--- Revokes a token: its row stays for the record, nobody gets in with it any more. Returns the row;
--- or nil, one line, CODE (NOT_FOUND).
---@param path string
---@param id string
function tokens.revoke(path, id)
  return change_file(path, function(rows)
    for _, row in ipairs(rows) do
      if row.id == id then
        row.revoked_at_ms = row.revoked_at_ms or math.floor(C.host_now_ms())
        return row
      end
    end
    return nil, ("no token with the id '%s'"):format(id), "NOT_FOUND"
  end)
end

--- What may be shown of a row: everything but the hash.
---@return table
function tokens.shown(row, now_ms)
  local state = row.revoked_at_ms and "revoked"
    or row.expires_at_ms and row.expires_at_ms <= now_ms and "expired" or "valid"
  return {
    id = row.id, state = state, roles = json.array({ unpack(row.roles) }),
    buckets = json.array({ unpack(row.buckets) }), prefixes = map(row.prefixes, prefix_text),
    note = row.note, created_at_ms = row.created_at_ms, expires_at_ms = row.expires_at_ms,
    revoked_at_ms = row.revoked_at_ms,
  }
end

--- The fingerprint of a file: another text when it was replaced.
function tokens.stamp(path)
  local room = ffi.new("char[160]")
  return ffi.string(room, C.host_file_stamp(path, room, 160))
end

return tokens
