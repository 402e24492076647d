
# Names of containers, images, volumes and zones, as they are now.
function __cofferdam_list
    switch "$argv[1]"
        case running
            cofferdam ps --format '{{.Names}}' 2>/dev/null
        case containers
            cofferdam ps --all --format '{{.Names}}' 2>/dev/null
        case images
            echo host
            cofferdam image ls --format '{{.Name}}' 2>/dev/null
        case volumes
            cofferdam volume ls --quiet 2>/dev/null
        case zones
            cofferdam zone ls --quiet 2>/dev/null
    end
end

function __cofferdam_kind
    set -l words (commandline -opc)
    set -e words[1]
    test "$words[1]" = container; and set -e words[1]
    switch "$words[-1]"
        case --zone
            echo zones
            return
        case --volumes-from
            echo containers
            return
    end
    switch "$words[1] $words[2]"
        case @running@
            echo running
        case @containers@
            echo containers
        case @images@
            echo images
        case @volumes@
            echo volumes
        case @zones@
            echo zones
    end
end

complete -c cofferdam -f -n 'string length -q -- (__cofferdam_kind)' -a '(__cofferdam_list (__cofferdam_kind))'
