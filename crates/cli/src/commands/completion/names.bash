
# Names of containers, images, volumes and zones, as they are now.
_cofferdam_list() {
    case "$1" in
        running) cofferdam ps --format '{{.Names}}' ;;
        containers) cofferdam ps --all --format '{{.Names}}' ;;
        images) echo host; cofferdam image ls --format '{{.Name}}' ;;
        volumes) cofferdam volume ls --quiet ;;
        zones) cofferdam zone ls --quiet ;;
    esac 2>/dev/null
}

_cofferdam_with_names() {
    _cofferdam "$@"
    local current="${COMP_WORDS[COMP_CWORD]}" kind=""
    local head="${COMP_WORDS[1]} ${COMP_WORDS[2]}"
    if [[ "${COMP_WORDS[1]}" == container ]]; then
        head="${COMP_WORDS[2]} ${COMP_WORDS[3]}"
    fi
    case "${COMP_WORDS[COMP_CWORD-1]}" in
        --zone) kind=zones ;;
        --volumes-from) kind=containers ;;
        *)
            case "$head" in
                @running@) kind=running ;;
                @containers@) kind=containers ;;
                @images@) kind=images ;;
                @volumes@) kind=volumes ;;
                @zones@) kind=zones ;;
            esac
            ;;
    esac
    if [[ -n "$kind" && "$current" != -* && COMP_CWORD -gt 1 ]]; then
        COMPREPLY=($(compgen -W "$(_cofferdam_list "$kind")" -- "$current"))
    fi
}

complete -F _cofferdam_with_names -o bashdefault -o default cofferdam
