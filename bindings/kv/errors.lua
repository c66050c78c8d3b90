-- Failures, of both kinds.
--
-- A run-time failure is `nil, err, CODE`: failure(rc) makes the three from a code of libloam and
-- the module's one scratch loam_error. Misuse raises, with the line of the first caller outside
-- this folder, however many functions of ours lie between.
local ffi = require "ffi"
local lib = require "kv.lib"

local errors = {}
local C = lib.C

-- One scratch for every call: it is read before anything else can run.
local scratch = ffi.new("loam_error")
errors.scratch = scratch

---@class kv.error
---@field code string      one of kv.codes
---@field text string      one line
---@field os_errno? number errno of the failed system call
---@field stall_ms? number with STALLED: predicted wait
---@field outcome? string  of a write: "not_committed" or "unknown"
local metatable = { __name = "kv.error" }

function metatable.__tostring(err)
  return err.code .. ": " .. err.text
end

function metatable.__concat(left, right)
  return tostring(left) .. tostring(right)
end

--- Makes an error object.
---@param code string
---@param text string
---@return kv.error
function errors.new(code, text)
  return setmetatable({ code = code, text = text }, metatable)
end

--- Whether a value is an error object of this module.
function errors.is_error(value)
  return type(value) == "table" and getmetatable(value) == metatable
end

--- Returns nil, err, CODE for a code of libloam.
---@param rc number
---@param detail? ffi.cdata*  the loam_error that belongs to it; the scratch when absent
function errors.failure(rc, detail)
  detail = detail or scratch
  local code = lib.codes[rc] or "IO"
  local err = errors.new(code, "")
  if detail.code == rc and detail.text[0] ~= 0 then
    err.text = ffi.string(detail.text)
    err.os_errno = detail.os_errno ~= 0 and detail.os_errno or nil
  else
    err.text = ffi.string(C.loam_code_text(rc))
  end
  detail.code = 0
  err.outcome = rc == C.LOAM_UNKNOWN_OUTCOME and "unknown" or nil
  return nil, err, code
end

--- The same for one write, of which it is known then whether it may be there.
---@param rc number
---@param detail? ffi.cdata*
function errors.write_failure(rc, detail)
  local _, err, code = errors.failure(rc, detail)
  err.outcome = err.outcome or "not_committed"
  return nil, err, code
end

--- Returns nil, err, CODE of the module's own finding.
function errors.refuse(code, text, ...)
  return nil, errors.new(code, text:format(...)), code
end

local OWN_FOLDER = debug.getinfo(1, "S").source:match("^(@.*)errors%.lua$") or "@kv/"

local function is_own(info)
  return info.what == "C" or info.source:sub(1, #OWN_FOLDER) == OWN_FOLDER
end

--- Raises misuse at the line of the first caller outside this module.
---@param text string  a format
function errors.misuse(text, ...)
  local message = select("#", ...) > 0 and text:format(...) or text
  local level = 2
  local info = debug.getinfo(level, "S")
  while info and is_own(info) do
    level = level + 1
    info = debug.getinfo(level, "S")
  end
  error(message, info and level or 0)
end

local CALL_NAMES = { table = "a table", string = "a string", number = "a number",
  ["nil"] = "nothing", boolean = "a boolean", ["function"] = "a function" }

--- Says what came, for messages: "a table", "nothing", "cdata".
function errors.what_came(value)
  return CALL_NAMES[type(value)] or type(value)
end

return errors
