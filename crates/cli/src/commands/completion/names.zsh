
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
    local kind="" head="$words[2] $words[3]"
    if [[ "$words[2]" == container ]]; then
        head="$words[3] $words[4]"
    fi
    case "$words[CURRENT-1]" in
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
    if [[ -n "$kind" && "$PREFIX" != -* && CURRENT -gt 2 ]]; then
        compadd -- ${(f)"$(_cofferdam_list "$kind")"}
    else
        _cofferdam "$@"
    fi
}

compdef _cofferdam_with_names cofferdam
