# Prints the candidates for the last word of a line, one a line: zsh complete.zsh LINE.
# zsh completes in its line editor only: an inner zsh at a pseudo-terminal has one. There Tab prints
# each match between two lines with a mark, and ends the inner zsh.
zmodload zsh/zpty
setup=$(mktemp)
trap 'rm -f $setup' EXIT
cat > $setup << 'END'
PROMPT=
unsetopt prompt_cr prompt_sp zle_bracketed_paste 2> /dev/null
unset zle_bracketed_paste
fpath=($PWD $fpath)
autoload -Uz compinit
compinit -u -D
bindkey '^I' complete-word
mark() { print -r -- '<mark>' }
compprefuncs=(mark)
comppostfuncs=(mark exit)
compadd() {
    if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
        builtin compadd "$@"
        return
    fi
    local -a found
    builtin compadd -A found "$@"
    (( $#found )) && print -rl -- "$found[@]"
    builtin compadd "$@"
}
print ready
END
zpty inner zsh -f -i
zpty -w inner "source $setup"
while zpty -r inner line && [[ $line != ready* ]]; do :; done
zpty -w -n inner "$1"$'\t'
integer marks=0
while zpty -r inner line; do
    line=${line%$'\n'}
    line=${line%$'\r'}
    if [[ $line == *'<mark>' ]]; then
        marks+=1
    elif (( marks == 1 )); then
        print -r -- "${line%=}"
    fi
done
