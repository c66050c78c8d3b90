-- `loam verify`: another name of `loam check`.
return require "loam.cli.check"
