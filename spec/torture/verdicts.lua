-- What the rigs found in recovered states, counted. The driver prints the counts of every round,
-- zeros too, so that a summary says what was judged and not only what failed.
--
-- lost: something acknowledged is not there. torn: a batch is there in part. resurrected: a row is
-- there that was deleted, or never written. wrong: anything else: a state of no step, a store that
-- does not open, a failing check.
local verdicts = {}

verdicts.KINDS = { "judged", "lost", "torn", "resurrected", "wrong" }
verdicts.counts = {}
for _, kind in ipairs(verdicts.KINDS) do
  verdicts.counts[kind] = 0
end

--- A recovered state was judged and is fine.
function verdicts.fine()
  verdicts.counts.judged = verdicts.counts.judged + 1
end

--- A recovered state was judged and is not: counts it and raises.
function verdicts.fail(kind, text, level)
  verdicts.counts.judged = verdicts.counts.judged + 1
  verdicts.counts[kind] = assert(verdicts.counts[kind], "no such verdict") + 1
  error(("%s (%s)"):format(text, kind), (level or 1) + 1)
end

return verdicts
