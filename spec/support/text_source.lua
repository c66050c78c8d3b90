-- A loam.cli.source over a string, handed out in pieces of a few bytes: every position becomes a
-- border between two reads.
local source = require "loam.cli.parts.source"

return function(text, piece_size, name)
  local at = 1
  local file = {
    read = function()
      if at > #text then
        return nil
      end
      local piece = text:sub(at, at + piece_size - 1)
      at = at + piece_size
      return piece
    end,
    close = function() end,
  }
  return source.new(file, name or "rows", #text)
end
