std = "luajit"
max_line_length = 100
max_cyclomatic_complexity = 12
self = false
unused_secondaries = true
exclude_files = { "build/**", "build-*/**" }
files["spec"] = { std = "+busted" }
files[".luacheckrc"] = { std = "+luacheckrc" }
files["bindings/kv/cdef.lua"] = { max_line_length = false }
