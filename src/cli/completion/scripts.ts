/**
 * The shells' side of completion. Each script asks the program itself (`tare __complete WORDS…`), so that it never
 * falls behind the commands; the answer is a word a line, or `:files`.
 */
const BASH = `# bash completion for tare: source <(tare completion bash)
_tare() {
    local current=\${COMP_WORDS[COMP_CWORD]} line words=()
    COMPREPLY=()
    while IFS= read -r line; do words+=("$line"); done \\
        < <("\${COMP_WORDS[0]}" __complete "\${COMP_WORDS[@]:1:COMP_CWORD-1}" "$current" 2>/dev/null)
    if [ "\${words[0]}" = ":files" ]; then
        COMPREPLY=($(compgen -f -- "$current"))
        compopt -o filenames 2>/dev/null
        return
    fi
    # A colon is a word of its own to bash: what stands before it is typed already.
    local prefix=""
    case $COMP_WORDBREAKS in *:*) case $current in *:*) prefix=\${current%"\${current##*:}"} ;; esac ;; esac
    for line in "\${words[@]}"; do
        case $line in "$current"*) COMPREPLY+=("\${line#"$prefix"}") ;; esac
    done
}
complete -F _tare tare
`;

const ZSH = `#compdef tare
# zsh completion for tare: source <(tare completion zsh)
_tare() {
    local -a words_found
    words_found=("\${(@f)$("\${words[1]}" __complete "\${(@)words[2,CURRENT-1]}" "\${words[CURRENT]}" 2>/dev/null)}")
    if [[ "\${words_found[1]}" == ":files" ]]; then
        _files
        return
    fi
    compadd -- "\${(@)words_found:#}"
}
if [ "\${funcstack[1]}" = "_tare" ]; then _tare "$@"; else compdef _tare tare; fi
`;

const FISH = `# fish completion for tare: tare completion fish | source
function __tare_complete
    set -l words (commandline -opc)
    set -l found ($words[1] __complete $words[2..-1] (commandline -ct) 2>/dev/null)
    if test "$found[1]" = ":files"
        __fish_complete_path (commandline -ct)
    else
        printf '%s\\n' $found
    end
end
complete -c tare -f -a '(__tare_complete)'
`;

export const COMPLETION_SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, fish: FISH, zsh: ZSH };
