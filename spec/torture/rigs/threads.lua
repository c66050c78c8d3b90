return { about = "x", seconds = 10, round = function(c) c:skip "none yet" end }
