# Turns one file of `gcov -b -c` into a record of LCOV's tracefile format.
BEGIN { print "TN:unit-tests\nSF:" source }
/^function / { name = $2; calls = $4; next }
/^branch / {
  taken = /never executed/ ? "-" : $4
  printf "BRDA:%d,0,%d,%s\n", number, branch++, taken
  branches++
  branches_hit += taken > 0
  next
}
/^[^:]*: *[0-9]+:/ {
  split($0, field, ":")
  count = field[1]
  gsub(/[ *]/, "", count)
  number = field[2] + 0
  branch = 0
  if (number == 0 || count == "-") next
  if (name != "") {
    printf "FN:%d,%s\nFNDA:%d,%s\n", number, name, calls, name
    functions++
    functions_hit += calls > 0
    name = ""
  }
  hits = count ~ /^[#=]/ ? 0 : count + 0
  printf "DA:%d,%d\n", number, hits
  lines++
  lines_hit += hits > 0
}
END {
  printf "FNF:%d\nFNH:%d\nBRF:%d\nBRH:%d\n", functions, functions_hit, branches, branches_hit
  printf "LF:%d\nLH:%d\nend_of_record\n", lines, lines_hit
}
