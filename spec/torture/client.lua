-- A client process of the rigs "history" and "serve": talks to the server of the moment until a
-- stop file appears and writes down what it did and what it learned.
--
--     luajit spec/torture/client.lua ROOT DIR ID SEED history|serve
--
-- DIR/port holds the port; DIR/stop ends it; DIR/client.ID gets the lines. history: one line per
-- operation, "op key call ret value expected result", "-" = none, ret "-" = unknown. serve: each
-- step i is one batch that writes i to four keys of the client; lines "t i" before, "a i" after.
local root, dir, id, seed_text, kind = unpack(arg)
package.path = root .. "/?.lua;" .. package.path
local http = require "spec.torture.http"
local process = require "spec.torture.process"
local seed = require "spec.support.seed"

seed.value = tonumber(seed_text)
local random = seed.new(tonumber(id))
local out = assert(io.open(dir .. "/client." .. id, "a"))
out:setvbuf("no")

local function read_file(name)
  local file = io.open(dir .. "/" .. name, "r")
  local text = file and file:read "*a"
  if file then
    file:close()
  end
  return text
end

local client = http.new(function() return tonumber(read_file "port" or "") end)
local KEYS = 4
local etags = {} -- key → {value, etag} as last read by this client.

-- What became of a request that may have changed something: true, false = refused, nil = unknown,
-- "none" = it did not happen.
local function verdict(status, body)
  if status == nil then
    return "none"
  elseif status == false then
    return nil
  elseif status == 200 or status == 201 or status == 204 then
    return true
  elseif status == 412 then
    return false
  elseif body:find("UNKNOWN_OUTCOME", 1, true) then
    return nil
  end
  return "none"
end

local function write_line(op, key, call, ret, fields)
  local function word(value)
    return value == nil and "-" or tostring(value)
  end
  out:write(("%s %s %.6f %s %s %s %s\n"):format(op, key, call, ret and ("%.6f"):format(ret) or "-",
    word(fields.value), word(fields.expected), word(fields.result)))
end

local function do_get(key, path)
  local call = process.now_ms()
  local status, headers, body = client:request("GET", path)
  local ret = process.now_ms()
  if status == 200 then
    etags[key] = { value = body, etag = headers.etag }
    write_line("get", key, call, ret, { result = body })
  elseif status == 404 then
    etags[key] = { absent = true }
    write_line("get", key, call, ret, {})
  end
end

local function do_write(op, key, method, path, fields, headers)
  local call = process.now_ms()
  local status, _, body = client:request(method, path, fields.value, headers)
  local ret = process.now_ms()
  local result = verdict(status, body)
  if result == "none" then
    return
  end
  if op == "cas" then
    fields.result = result
  end
  write_line(op, key, call, result ~= nil and ret or nil, fields)
end

local number = 0
local function new_value()
  number = number + 1
  return ("c%s.%d.%d"):format(id, math.floor(process.now_ms()), number)
end

local actions = {}

actions.get = do_get

function actions.put(key, path)
  do_write("put", key, "PUT", path, { value = new_value() })
end

function actions.delete(key, path)
  do_write("delete", key, "DELETE", path, {})
end

function actions.cas(key, path)
  local seen = etags[key]
  if not seen then
    return do_get(key, path)
  end
  local headers = seen.absent and { ["If-None-Match"] = "*" } or { ["If-Match"] = seen.etag }
  do_write("cas", key, "PUT", path, { value = new_value(), expected = seen.value }, headers)
end

local ACTIONS = { "get", "get", "get", "put", "put", "delete", "cas", "cas" }

local function history_step()
  local key = "h" .. random:int(1, KEYS)
  actions[random:pick(ACTIONS)](key, "/v1/kv/default/" .. key)
end

local step = 0
local function serve_step()
  step = step + 1
  local ops = {}
  for index = 1, 4 do
    ops[index] = ('{"op":"put","b":"default","k":"s%s.%d","v":"%d"}'):format(id, index, step)
  end
  out:write("t " .. step .. "\n")
  local status, _, body = client:request("POST", "/v1/batch",
    "[" .. table.concat(ops, ",") .. "]", { ["Content-Type"] = "application/json" })
  if verdict(status, body or "") == true then
    out:write("a " .. step .. "\n")
  end
end

local run = kind == "serve" and serve_step or history_step
while not read_file "stop" do
  run()
  if not client._socket then
    process.sleep_ms(2) -- No server at the moment.
  elseif kind == "history" then
    process.sleep_ms(random:int(0, 3)) -- A history that can be checked is not a long one.
  end
end
