-- Where things are: the source tree, the build, the testing library. Specs never spell a path.
--
-- LOAM_BUILD_DIR names another build than build/, relative to the tree or absolute; scripts/test
-- uses it for the sanitizer pass.
local source = debug.getinfo(1, "S").source:sub(2)
local root = source:match("^(.*)/?spec/support/paths%.lua$")
root = root == "" and "." or root

local build = os.getenv("LOAM_BUILD_DIR") or "build"
if build:sub(1, 1) ~= "/" then
  build = root .. "/" .. build
end

return {
  root = root,
  build = build,
  library = build .. "/libloam_testing.so",
  program = build .. "/loam",
}
