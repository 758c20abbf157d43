#compdef NAME
# zsh completion for NAME
FUNCTION() {
    local line word files=0
    local -a found
    for line in "${(@f)$(NAME "${(@)words[2,CURRENT-1]}" "$PREFIX" --generate-bash-completion 2>/dev/null)}"; do
        word=${line%%$'\t'*}
        case $line in
        '') ;;
        '*') files=1 ;;
        *$'\t'*) found+=("${word//:/\\:}:${line#*$'\t'}") ;;
        *) found+=("${word//:/\\:}") ;;
        esac
    done
    [[ $PREFIX == --*=* ]] && compset -P '*='
    (( $#found )) && _describe NAME found
    (( files )) && _files
}
if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then
    FUNCTION "$@"
else
    compdef FUNCTION NAME
fi
