-- What keeps pages of other sites from reaching a server through somebody's browser.
--
-- Names and origins are looked at by host_admit() in core/host/glue.c, for every request. Here is
-- the rest: bodies of JSON routes. A page may send text/plain or a form to any site without asking;
-- so from a browser only a JSON body that says so is taken. Programs (curl -d) are left alone.
local answer = require "loam.answer"

local browser = {}
local SIMPLE = { ["text/plain"] = true, ["application/x-www-form-urlencoded"] = true,
  ["multipart/form-data"] = true, [""] = true }

local function is_browser(req)
  local headers = req.headers
  if headers["Sec-Fetch-Site"] or headers["Sec-Fetch-Mode"] or headers["Origin"] then
    return true
  end
  local agent = headers["User-Agent"]
  return agent ~= nil and agent:find("^Mozilla/") ~= nil
end

--- Returns an answer for a body that a page of another site could have sent, or nil.
---@param req table
---@param route table
function browser.refusal(req, route)
  local is_json = route.body == answer.JSON or route.body == answer.NDJSON
  if not is_json or req.body == "" and not route.is_stream then
    return nil
  end
  local kind = (req.headers["Content-Type"] or ""):match("^%s*([^;%s]*)"):lower()
  if not SIMPLE[kind] or not is_browser(req) then
    return nil
  end
  return answer.error(req, 415, "a browser sends JSON to this route with Content-Type: "
    .. route.body)
end

--- Headers that keep a browser from running what somebody stored: its type is not guessed, and a
--- page or drawing gets no scripts and no origin.
---@param headers table
---@param content_type string
function browser.guard(headers, content_type)
  headers["X-Content-Type-Options"] = "nosniff"
  local kind = content_type:lower()
  if kind:find("html", 1, true) or kind:find("xml", 1, true) then
    headers["Content-Security-Policy"] = "sandbox"
  end
end

return browser
