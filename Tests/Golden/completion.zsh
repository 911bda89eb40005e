#compdef swiftvm
autoload -Uz bashcompinit && bashcompinit
_swiftvm() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words="" keys="" at
  case $previous in
    --kernel|--initrd|--qmp|--pidfile|--control) COMPREPLY=(); return ;;  # files, by -o default
  esac
  # Bash splits a value at its equals signs: the option is the nearest word with a dash.
  at=$((COMP_CWORD - 1))
  while [ "$at" -gt 1 ] && [ "${COMP_WORDS[at]#-}" = "${COMP_WORDS[at]}" ]; do at=$((at - 1)); done
  if [ "$current" = "${current#-}" ] && { [ "$at" = $((COMP_CWORD - 1)) ] || [[ $current == *,* ]]; }; then
    case ${COMP_WORDS[at]} in
      --virtserialport|--virtconsole|--preset|--serial) keys="socket= abstract= tcp= connect= connect-abstract= tcp-connect= udp= file= input= pipe= pty pty= stdio stderr ringbuf ringbuf= fd= exec= null chardev= wait clients= mode= owner= group= allow-uid= allow-gid= seqpacket reconnect= reconnect-ms= nodelay= keepalive= replay= expose append rotate-size= rotate-count= log= log-append log-annotate mux chardev-id=" ;;
      -chardev) keys="path= abstract host= port= to= ipv4 ipv6 fd= server localaddr= localport= localipv4 localipv6 input-path= size= command= chardevs.0= chardevs.1= chardevs.2= chardevs.3= chardevs.4= chardevs.5= chardevs.6= chardevs.7= wait clients= mode= owner= group= allow-uid= allow-gid= seqpacket reconnect= reconnect-ms= nodelay= keepalive= replay= expose append rotate-size= rotate-count= logfile= logappend log-annotate mux id=" ;;
    esac
  fi
  if [ -n "$keys" ]; then
    local given=""
    case $current in *,*) given=${current%,*}, ;; esac
    COMPREPLY=($(compgen -P "$given" -W "$keys" -- "${current##*,}"))
    compopt -o nospace 2>/dev/null
    return
  fi
  if [ "$COMP_CWORD" = 1 ]; then words="run check list ports connect send recv wait-open plug unplug pause resume reset powerdown stop completion manual help --help --version"; else
  case ${COMP_WORDS[1]} in
    run) words="--kernel --initrd --append --memory --huge-pages --cpus --no-reboot --on-sigterm --linger --virtio-serial --virtserialport --virtconsole --preset --serial --emergency --qmp --name --pidfile --daemonize --stats --trace --timings -chardev -device -mon -action -smbios -S -nodefaults -machine -accel -cpu -display -vga -vnc -monitor -net -nic -parallel -audio -rtc -overcommit -boot -enable-kvm -nographic -no-user-config -no-hpet -no-fd-bootchk --help --version" ;;
    check) words="--quiet --help --version" ;;
    list) words="--help" ;;
    ports) words="--vm --control --help" ;;
    connect) words="--vm --control --help" ;;
    send) words="--vm --control --help" ;;
    recv) words="--lines --timeout --vm --control --help" ;;
    wait-open) words="--timeout --vm --control --help" ;;
    plug) words="--console --vm --control --help" ;;
    unplug) words="--vm --control --help" ;;
    pause) words="--vm --control --help" ;;
    resume) words="--vm --control --help" ;;
    reset) words="--vm --control --help" ;;
    powerdown) words="--vm --control --help" ;;
    stop) words="--vm --control --help" ;;
    completion) words="--help bash zsh fish" ;;
    manual) words="--help" ;;
    help) words="run check list ports connect send recv wait-open plug unplug pause resume reset powerdown stop completion manual help" ;;
  esac; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _swiftvm swiftvm
[ "${funcstack[1]}" != _swiftvm ] || _bash_complete -o default -F _swiftvm
