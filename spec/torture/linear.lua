-- Checks that a history of one key is linearizable: that there is one order of its operations, each
-- at a moment between its call and its return, in which every answer is right.
--
-- An operation is {op, call, ret, value, expected, result}: times of one clock;
--   get     result = value or nil
--   put     value                                       (values are unique in a history)
--   delete
--   cas     expected (nil = absent), value; result = true when it was done, false when refused
-- ret = nil: nobody knows whether it happened; it may take effect at any moment after its call, or
-- never. Operations that are known not to have happened, and reads without an answer, stay out.
--
-- Method: depth-first search over "which operations are done, and what is the value", every such
-- pair once. What changes nothing and is right now is taken at once: taking it later cannot help.
local linear = {}

local function changes(op)
  return op.op ~= "get" and not (op.op == "cas" and op.result == false)
end

-- Whether op may come next when the value is `state`, and the value after it.
local function apply(op, state)
  if op.op == "get" then
    return op.result == state, state
  elseif op.op == "put" then
    return true, op.value
  elseif op.op == "delete" then
    return true, nil
  elseif op.result == false then
    return op.expected ~= state, state
  elseif op.ret == nil then
    -- Refused has the same effect as never.
    return op.expected == state, op.value
  end
  return op.expected == state, op.value
end

-- Definite operations by call, unknown ones apart.
local function split(history)
  local known, unknown = {}, {}
  for _, op in ipairs(history) do
    table.insert(op.ret and known or unknown, op)
  end
  local function by_call(a, b) return a.call < b.call end
  table.sort(known, by_call)
  table.sort(unknown, by_call)
  return known, unknown
end

-- A place of the search: the known operations below `first` are done, and those in `done`.
local function copy_place(place)
  local done, maybe = {}, {}
  for index in pairs(place.done) do done[index] = true end
  for index in pairs(place.maybe) do maybe[index] = true end
  return { first = place.first, done = done, maybe = maybe, state = place.state }
end

local function finish_known(place, known, index)
  place.done[index] = true
  while place.done[place.first] do
    place.done[place.first] = nil
    place.first = place.first + 1
  end
  return place.first > #known
end

-- The known operations that may be next: called before the first return of those not done.
local function candidates(known, place)
  local list, earliest = {}, math.huge
  for index = place.first, #known do
    if known[index].call > earliest then
      break
    end
    if not place.done[index] then
      list[#list + 1] = index
      earliest = math.min(earliest, known[index].ret)
    end
  end
  local kept = {}
  for _, index in ipairs(list) do
    if known[index].call <= earliest then
      kept[#kept + 1] = index
    end
  end
  return kept, earliest
end

-- Takes all that changes nothing and is right. Returns whether everything is done.
local function settle(known, place)
  local has_moved = true
  while has_moved do
    has_moved = false
    for _, index in ipairs((candidates(known, place))) do
      local op = known[index]
      if not changes(op) and apply(op, place.state) then
        if finish_known(place, known, index) then
          return true
        end
        has_moved = true
      end
    end
  end
  return place.first > #known
end

local function key_of(place)
  local done, maybe = {}, {}
  for index in pairs(place.done) do done[#done + 1] = index end
  for index in pairs(place.maybe) do maybe[#maybe + 1] = index end
  table.sort(done)
  table.sort(maybe)
  return ("%d %s|%s|%s"):format(place.first, table.concat(done, ","), table.concat(maybe, ","),
    tostring(place.state))
end

-- Places that one operation later could be.
local function successors(known, unknown, place)
  local list = {}
  local indexes, earliest = candidates(known, place)
  for _, index in ipairs(indexes) do
    local ok, state = apply(known[index], place.state)
    if ok and changes(known[index]) then
      local next_place = copy_place(place)
      next_place.state = state
      finish_known(next_place, known, index)
      list[#list + 1] = next_place
    end
  end
  for index, op in ipairs(unknown) do
    if op.call <= earliest and not place.maybe[index] then
      local ok, state = apply(op, place.state)
      if ok then
        local next_place = copy_place(place)
        next_place.state = state
        next_place.maybe[index] = true
        list[#list + 1] = next_place
      end
    end
  end
  return list
end

local function describe(known, place)
  local lines = { ("no order: stuck with the value %s at"):format(tostring(place.state)) }
  for _, index in ipairs((candidates(known, place))) do
    local op = known[index]
    lines[#lines + 1] = ("  %s value=%s expected=%s result=%s [%.3f, %.3f]"):format(
      op.op, tostring(op.value), tostring(op.expected), tostring(op.result), op.call, op.ret)
  end
  return table.concat(lines, "\n")
end

--- Returns true, or nil and where the search got stuck furthest; raises when it takes more than
--- `places_max` places (default a million).
---@param history table[] operations of one key
function linear.check(history, places_max)
  local known, unknown = split(history)
  local start = { first = 1, done = {}, maybe = {}, state = nil }
  local stack, seen, count, furthest = { start }, {}, 0, start
  while #stack > 0 do
    local place = table.remove(stack)
    if settle(known, place) then
      return true
    end
    local key = key_of(place)
    if not seen[key] then
      seen[key], count = true, count + 1
      if count > (places_max or 1e6) then
        error(("undecided after %d places of a history of %d operations"):format(count, #history))
      end
      furthest = place.first >= furthest.first and place or furthest
      local list = successors(known, unknown, place)
      for index = #list, 1, -1 do
        stack[#stack + 1] = list[index]
      end
    end
  end
  return nil, describe(known, furthest)
end

return linear
