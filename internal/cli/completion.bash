# bash completion for NAME
FUNCTION() {
    local word=${COMP_WORDS[COMP_CWORD]} line files=
    local -a words=("${COMP_WORDS[@]:1:COMP_CWORD}")
    COMPREPLY=()
    [[ $word == = ]] && word=
    while IFS=$'\t' read -r line _; do
        case $line in
        '*') files=1 ;;
        "$word"*) COMPREPLY+=("$line") ;;
        esac
    done < <(NAME "${words[@]}" --generate-bash-completion 2>/dev/null)
    if [[ $files ]]; then
        compopt -o filenames 2>/dev/null
        while IFS= read -r line; do
            COMPREPLY+=("$line")
        done < <(compgen -f -- "$word")
    fi
}
complete -F FUNCTION NAME
