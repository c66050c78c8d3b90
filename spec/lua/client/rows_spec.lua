-- Lines of answers as they come from a connection: pieces of any size, and ends that are none.
local rows = require "loam.client.rows"

describe("client.rows", function()
  -- A connection whose answer is these pieces.
  local function link_of(pieces, err)
    local at = 0
    return { close = function() end, read = function()
      at = at + 1
      return pieces[at], not pieces[at] and err or nil
    end }
  end

  it("tells the progress of a deletion and its count", function()
    local seen = {}
    local link = link_of { '{"count":10', '00}\n{"count":2000}\n{"cou', 'nt":2000,"end":true}\n' }

    local count = rows.counted(link, {}, function(so_far) seen[#seen + 1] = so_far end)

    assert.same({ 2000, { 1000, 2000 } }, { count, seen })
    assert.equal(5, rows.counted(link_of { '{"count":5,"end":true}\n' }, {}))
  end)

  it("gives the failure of a deletion with what is gone", function()
    local count, err, code = rows.counted(link_of { '{"count":1000}\n',
      '{"count":1000,"error":"disk full","code":"NO_SPACE","outcome":"not_committed"}\n' }, {})

    assert.is_nil(count)
    assert.same({ code = "NO_SPACE", text = "disk full", count = 1000,
      outcome = "not_committed" }, err)
    assert.equal("NO_SPACE", code)
  end)

  it("takes no half of a deletion for a whole one", function()
    for _, pieces in ipairs { {}, { '{"count":1000}\n' }, { '{"count":1000}\n', "nonsense\n" },
      { '{"count":1000}\n{"count":2000,"en' } } do
      local count, err, code = rows.counted(link_of(pieces), {})
      assert.same({ "IO", "unknown" }, { code, err.outcome })
      assert.is_nil(count)
      assert.is_true(err.count == 0 or err.count == 1000)
    end
    local _, err = rows.counted(link_of({}, { code = "TIMEOUT", text = "slow" }), {})
    assert.same({ "TIMEOUT", "unknown", 0 }, { err.code, err.outcome, err.count })
  end)
end)
