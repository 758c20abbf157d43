# fish completion for NAME
function FUNCTION
    set -l words (commandline -opc)
    set -e words[1]
    set -l word (commandline -ct)
    set -l prefix (string match -r -- '^--[^=]*=' "$word")
    for line in (NAME $words "$word" --generate-bash-completion 2>/dev/null)
        if test "$line" = '*'
            for path in (__fish_complete_path (string replace -- "$prefix" '' "$word"))
                echo -- "$prefix$path"
            end
        else
            echo -- "$prefix$line"
        end
    end
end
complete -c NAME -f -a '(FUNCTION)'
