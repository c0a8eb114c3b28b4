# Manual pages from the header: one for each function and type, in the directory `dir`. They have the date of the overview.
#
#   awk -v dir=target/man/man3 -f scripts/man.awk docs/man/nbwss.7 include/nbwss.h
#
# A function's twin without _n is on the same page: its own page only leads there.

# A line of words as roff has it: what is between backticks is bold.
function words(text,    out, bold, at) {
  gsub(/\\/, "\\e", text)
  while ((at = index(text, "`")) > 0) {
    out = out substr(text, 1, at - 1) (bold ? "\\fR" : "\\fB")
    bold = !bold
    text = substr(text, at + 1)
  }
  return (out text ~ /^[.']/ ? "\\\\&" : "") out text
}

# A declaration, its lines separated by line ends.
function code(text) {
  gsub(/-/, "\\-", text)
  return text
}

function first_sentence(text,    end) {
  gsub(/\n/, " ", text)
  gsub(/`/, "", text)
  end = match(text, /[.] |[.]$/)
  return end ? substr(text, 1, end - 1) : text
}

# Text, paragraphs and all, as roff.
function paragraphs(text,    lines, count, i, out) {
  count = split(text, lines, "\n")
  for (i = 1; i <= count; i++) out = out (lines[i] == "" ? ".PP" : words(lines[i])) "\n"
  return out
}

function add(name) {
  if (!(name in synopsis)) names[++pages] = name
  description[name] = doc
  synopsis[name] = declaration
  doc = declaration = ""
}

# The name that is declared: the first of ours that is followed by one of these characters.
function declared(line, ends,    at) {
  while (match(line, /nbwss_[a-z0-9_]*/)) {
    at = RSTART + RLENGTH
    if (index(ends, substr(line, at, 1))) return substr(line, RSTART, RLENGTH)
    line = substr(line, at)
  }
}

/^\.TH / { date = $4 }
/^#define NBWSS_VERSION "/ { version = $3; gsub(/"/, "", version) }

/^[ ]*\/\/\/ ?/ {
  sub(/^[ ]*\/\/\/ ?/, "")
  doc = doc (doc == "" ? "" : "\n") $0
  next
}
/^#define / || /^\/\*\* @/ { doc = "" }
/^\/\*\* [^@].* \*\/$/ {
  doc = substr($0, 5, length($0) - 7)
  next
}

# Members of an enumeration or a struct.
inside && /^}/ {
  doc = outer
  declaration = declaration $0
  sub(/} nbwss_[a-z_]*;/, "};", declaration)
  add(inside)
  inside = ""
  next
}
inside && /;$|,$/ {
  sub(/^ */, "")
  declaration = declaration "    " $0 "\n"
  sub(/[;,]$/, "")
  members[inside] = members[inside] ".TP\n.B " code($0) "\n" paragraphs(doc)
  doc = ""
  next
}
inside { next }
/^enum nbwss_/ || /^typedef struct nbwss_[a-z_]* {/ {
  inside = $1 == "enum" ? $2 : $3
  outer = doc
  doc = ""
  declaration = $1 == "enum" ? $1 " " $2 " {\n" : "struct " $3 " {\n"
  next
}

/^typedef .*;$/ && doc != "" {
  declaration = $0
  add(/\(\*/ ? declared($0, ")") : declared($0, ";"))
  next
}

# A function may take several lines.
/^static inline / { twin = 1 }
twin || (doc != "" && /^[a-z].*nbwss_[a-z_]*\(/) || (declaration != "" && !inside) {
  declaration = declaration (declaration == "" ? "" : "\n") $0
  if (twin && /{$/) {
    sub(/^static inline /, "", declaration)
    sub(/ {$/, ";", declaration)
    name = declared(declaration, "(")
    if ((name "_n") in synopsis) {
      twins[name "_n"] = name
      synopsis[name "_n"] = synopsis[name "_n"] "\n" declaration
      declaration = ""
    } else {
      add(name)
    }
    twin = 0
  } else if (/;$/) {
    add(declared(declaration, "("))
  }
  next
}

END {
  for (i = 1; i <= pages; i++) {
    name = names[i]
    file = dir "/" name ".3"
    title = name (name in twins ? ", " twins[name] : "")
    printf ".TH %s 3 %s \"libnbwss %s\"\n.nh\n", name, date, version > file
    printf ".SH NAME\n%s \\- %s\n", title, first_sentence(description[name]) > file
    printf ".SH SYNOPSIS\n.nf\n.B #include <nbwss.h>\n.PP\n%s\n.fi\n", code(synopsis[name]) > file
    printf ".SH DESCRIPTION\n%s", paragraphs(description[name]) > file
    if (name in members) printf ".SH MEMBERS\n%s", members[name] > file
    printf ".SH SEE ALSO\n" > file
    rest = description[name] members[name]
    split("", seen)
    seen[name] = 1
    if (name in twins) seen[twins[name]] = 1
    while (match(rest, /nbwss_[a-z0-9_]*/)) {
      other = substr(rest, RSTART, RLENGTH)
      rest = substr(rest, RSTART + RLENGTH)
      if (!(other in seen) && ((other in synopsis) || ((other "_n") in twins))) printf ".BR %s (3),\n", other > file
      seen[other] = 1
    }
    printf ".BR nbwss (7)\n" > file
    close(file)
    if (name in twins) printf ".so man3/%s.3\n", name > (dir "/" twins[name] ".3")
  }
}
