-- What `cmake --install` leaves in a prefix is enough to build a C program, by pkg-config and by
-- CMake, to script a store with LuaJIT, and to serve.
local files = require "spec.support.files"
local paths = require "spec.support.paths"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local tmpdir = require "spec.support.tmp"

local PROGRAM = [[
#include <loam.h>
#include <stdio.h>

/* Writes a row, opens the store again and reads the row. */
int main(int argc, char **argv)
{
    loam_db *db;
    loam_error err = {0};
    loam_buffer value = {0};
    int rc = argc == 2 ? loam_open(argv[1], NULL, &db, &err) : LOAM_INVALID;

    if (rc == 0) {
        rc = loam_put(db, LOAM_BUCKET_DEFAULT, "k", 1, "kept", 4, NULL, &err);
        rc = rc == 0 ? loam_close(db, &err) : rc;
    }
    rc = rc == 0 ? loam_open(argv[1], NULL, &db, &err) : rc;
    if (rc == 0) {
        rc = loam_get(db, LOAM_BUCKET_DEFAULT, "k", 1, NULL, &value, &err);
        printf("%.*s\n", (int)value.size, value.data);
        loam_buffer_free(&value);
        rc = rc == 0 ? loam_close(db, &err) : rc;
    }
    if (rc != 0) {
        fprintf(stderr, "%s: %s\n", loam_code_name(rc), err.text);
    }
    return rc == 0 ? 0 : 1;
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
  after_each(program.stop_all)

  it("lets pkg-config users build and run", function()
    local prefix, dir = install(), tmpdir()
    files.write(dir, { ["user.c"] = PROGRAM })

    local env = "PKG_CONFIG_PATH=" .. folder_of(prefix, "loam.pc")
    local flags = run("env", env, "pkg-config", "--cflags", "--libs", "loam"):gsub("\n", " ")
    assert.equal(0, shell.script(("cc %s/user.c -o %s/user %s"):format(dir, dir, flags)).status)
    local library_path = "LD_LIBRARY_PATH=" .. folder_of(prefix, "libloam.so")

    assert.equal("kept\n", run("env", library_path, dir .. "/user", dir .. "/store"))
  end)

  it("lets CMake users build and run", function()
    local prefix, dir = install(), tmpdir()
    files.write(dir, { ["user.c"] = PROGRAM, ["CMakeLists.txt"] = CMAKE })

    run("cmake", "-G", "Ninja", "-S", dir, "-B", dir .. "/build",
      "-DCMAKE_PREFIX_PATH=" .. prefix)
    run("cmake", "--build", dir .. "/build")

    assert.equal("kept\n", run(dir .. "/build/user", dir .. "/store"))
  end)

  it("installs one header and the Lua modules", function()
    local prefix = install()

    local list = run("find", prefix .. "/include", "-type", "f", "-printf", "%f\n")

    assert.equal("loam.h\n", list)
    assert.is_truthy(files.read(prefix .. "/share/lua/5.1/kv/cdef.lua"))
  end)

  it("lets LuaJIT script a store", function()
    local prefix, dir = install(), tmpdir()
    local library_path = "LD_LIBRARY_PATH=" .. folder_of(prefix, "libloam.so")
    local lua_path = "LUA_PATH=" .. prefix .. "/share/lua/5.1/?.lua;" .. prefix ..
      "/share/lua/5.1/?/init.lua"
    local script = ([[
      local kv = require "kv"
      local db = assert(kv.open(%q))
      assert(db:put("k", "kept"))
      print(db:get "k")
      assert(db:close())]]):format(dir .. "/store")

    assert.equal("kept\n", run("env", library_path, lua_path, "luajit", "-e", script))
  end)

  it("leaves a program that serves with the Lua files beside it", function()
    local prefix, dir = install(), tmpdir()
    local loam = prefix .. "/bin/loam"

    assert.matches("^loam %d+%.%d+%.%d+ ", run(loam, "version"))
    local server = program.serve(dir .. "/store", {}, loam)
    run("curl", "-sSf", "-X", "PUT", "--data-binary", "kept", server.url .. "/v1/kv/default/k")
    local value = run("curl", "-sSf", server.url .. "/v1/kv/default/k")
    server:stop()
    assert.equal("kept", value)
    assert.equal("kept", run(loam, "get", "k", "--data", dir .. "/store"))

    os.remove(prefix .. "/share/loam/lua/loam/cli/init.lua")
    local without = shell.run(loam, "version")
    assert.matches("no Lua files in " .. prefix:gsub("%p", "%%%0"), without.err)
  end)
end)
