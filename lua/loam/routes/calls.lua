-- /v1/admin/calls: the requests and scans that run now, and their end.
local answer = require "loam.answer"

local calls = {}

local function ask(req, ctx, question)
  local found = ctx.calls:ask(question, ctx.sleep)
  if not found then
    answer.raise(answer.error(req, 503, "others ask for calls at the same time",
      { headers = { ["Retry-After"] = "1" } }))
  end
  return found
end

function calls.list(req, ctx)
  local found = ask(req, ctx, {})
  table.sort(found.rows, function(a, b) return a.running_ms > b.running_ms end)
  return answer.json(200, { calls = found.rows, silent_workers = found.silent })
end

function calls.kill(req, ctx)
  if not ask(req, ctx, { kill = req.args.id }).is_killed then
    return answer.error(req, 404, "no such call: it has ended, or its worker is busy")
  end
  return answer.json(202, { id = req.args.id, state = "ending" })
end

calls.routes = {
  { name = "admin_calls", method = "GET", path = "/v1/admin/calls", role = "admin", params = {},
    handler = calls.list, summary = "Requests and scans that run now, the oldest first.",
    answers = { [200] = "{calls, silent_workers}.", [503] = "Others ask at the same time." } },
  { name = "admin_call_kill", method = "DELETE", path = "/v1/admin/calls/{id}", role = "admin",
    params = { { name = "id", type = "string", place = "path",
      summary = "Id of the request, as the list and the logs have it." } },
    handler = calls.kill,
    summary = "Ends a call: with 503, a stream by a cut. What waits for a commit ends behind it, "
      .. "what only computes not at all.",
    answers = { [202] = "It ends where it next waits.", [404] = "No such call.",
      [503] = "Others ask at the same time." } },
}

return calls
