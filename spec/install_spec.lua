-- What `cmake --install` leaves in a prefix is enough to build a C program, by pkg-config and by
-- CMake.
local files = require "spec.support.files"
local paths = require "spec.support.paths"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

local PROGRAM = [[
#include <loam.h>
#include <stdio.h>

int main(void)
{
    printf("%s\n", loam_code_name(LOAM_CORRUPT));
    return 0;
}
]]

local CMAKE = [[
cmake_minimum_required(VERSION 3.25)
project(user C)
find_package(loam 0.1 REQUIRED)
add_executable(user user.c)
target_link_libraries(user PRIVATE loam::loam)
]]

local function run(...)
  local result = shell.run(...)
  assert.equal(0, result.status, result.err)
  return result.out
end

local function install()
  local prefix = tmpdir()
  run("cmake", "--install", paths.build, "--prefix", prefix)
  return prefix
end

-- Returns the folder below prefix that holds a file.
local function folder_of(prefix, name)
  return run("find", prefix, "-name", name, "-printf", "%h")
end

describe("cmake --install #plain", function()
  it("lets pkg-config users build and run", function()
    local prefix, dir = install(), tmpdir()
    files.write(dir, { ["user.c"] = PROGRAM })

    local env = "PKG_CONFIG_PATH=" .. folder_of(prefix, "loam.pc")
    local flags = run("env", env, "pkg-config", "--cflags", "--libs", "loam"):gsub("\n", " ")
    assert.equal(0, shell.script(("cc %s/user.c -o %s/user %s"):format(dir, dir, flags)).status)
    local library_path = "LD_LIBRARY_PATH=" .. folder_of(prefix, "libloam.so")

    assert.equal("CORRUPT\n", run("env", library_path, dir .. "/user"))
  end)

  it("lets CMake users build and run", function()
    local prefix, dir = install(), tmpdir()
    files.write(dir, { ["user.c"] = PROGRAM, ["CMakeLists.txt"] = CMAKE })

    run("cmake", "-G", "Ninja", "-S", dir, "-B", dir .. "/build",
      "-DCMAKE_PREFIX_PATH=" .. prefix)
    run("cmake", "--build", dir .. "/build")

    assert.equal("CORRUPT\n", run(dir .. "/build/user"))
  end)

  it("installs one header and the Lua modules", function()
    local prefix = install()

    local list = run("find", prefix .. "/include", "-type", "f", "-printf", "%f\n")

    assert.equal("loam.h\n", list)
    assert.is_truthy(files.read(prefix .. "/share/lua/5.1/kv/cdef.lua"))
  end)
end)
