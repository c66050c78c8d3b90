-- The table that `require "kv"` returns.
--
-- It stands in a module of its own so that the parts of `kv` can look at `kv.waiter`, which a host
-- installs (see wait.lua), without a require cycle. Filled by init.lua.
return {}
