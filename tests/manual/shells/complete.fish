# Prints the candidates for the last word of a line, one a line: fish complete.fish LINE.
set words (string split ' ' -- $argv[1])
source $words[1].fish
complete -C $argv[1] | string replace -r '\t.*' ''
true
