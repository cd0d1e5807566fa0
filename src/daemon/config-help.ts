import { PLUGIN_FOLDERS } from '../engine/volumes/plugins/plugin-finder.ts';
import { DEFAULT_CONFIG_FILE, DEFAULT_HOST } from './config.ts';

/** The help text of `tare daemon`. */
export const DAEMON_HELP = `Usage:  tare daemon [OPTIONS]

Run the engine in the foreground

Options:
  -b, --bridge string             Default bridge, made if missing (default "tare0"; "none": no default network)
      --bip string                Address of the default bridge in CIDR notation
      --cdi-spec-dir list         Where CDI devices are described (default "/etc/cdi", "/var/run/cdi")
      --cgroup-parent string      Where the cgroups of containers are made that name no parent
      --config-file string        Configuration file (default "${DEFAULT_CONFIG_FILE}")
      --data-root string          Images, volumes, metadata (default "/var/lib/tare")
      --default-address-pool list
                                  Where networks get subnets, base=CIDR,size=PREFIX (in the file: "default-address-pools")
      --default-cgroupns-mode string   host or private (default: private on cgroup v2, else host)
      --default-ipc-mode string   private (default) or shareable
      --default-shm-size string   Size of /dev/shm (default 64m)
      --default-ulimit list       NAME=SOFT[:HARD] (in the file: "default-ulimits", a map)
  -D, --debug                     Log at level debug
      --dns list                  DNS servers of containers that name none
      --dns-opt list              Their resolver options (in the file: "dns-opts")
      --dns-search list           Their search domains
      --exec-opt list             native.cgroupdriver=cgroupfs (default) or =systemd
      --exec-root string          State of running containers (default "/run/tare")
      --fixed-cidr string         Part of the default bridge's subnet that containers get addresses from
  -G, --group string              Group of the socket (default: tare or docker, if one exists)
  -H, --host list                 Socket to listen on, unix://PATH or fd:// (default "${DEFAULT_HOST}")
      --http-proxy string         Proxy for requests to registries (default: HTTP_PROXY)
      --https-proxy string        The same for https (default: HTTPS_PROXY)
      --icc string                Whether containers on the default bridge may talk to each other (default "true")
      --init                      Run an init in containers that forwards signals and reaps processes
      --insecure-registry list    Registry whose certificate is not verified, and which may be asked over plain HTTP
      --label list                Label that info shows
      --ip string                 Address that ports are published at when none is named (default "0.0.0.0")
      --ip-masq string            Source NAT from the default bridge to the outside (default "true")
      --journald-socket string    Where journald listens (default "/run/systemd/journal/socket")
      --keep-compressed string    Compressed forms of layers to keep: auto (what cannot be made again), always or never
      --live-restore              Containers go on without the daemon (default; false in the file: they end with it)
      --log-driver string         Log driver of containers that name none (default "json-file")
  -l, --log-level string          debug, info, warn, error or fatal (default "info")
      --log-opt list              Option of that driver, KEY=VALUE (in the file: "log-opts", a map)
      --max-concurrent-downloads int   Downloads at once, over all pulls (default 3)
      --max-concurrent-uploads int     Uploads at once, over all pushes (default 5)
      --max-download-attempts int      Tries for each download (default 5)
      --max-layer-size string     What one layer may unpack to, as 20g (default: the free space less 5 %)
      --mtu int                   MTU of networks that name none (default 1500)
      --no-new-privileges         Containers' processes cannot gain privileges, unless they ask for it
      --no-proxy string           Comma-separated hosts and networks that are asked without a proxy (default: NO_PROXY)
  -p, --pidfile string            Where to write the process id (default "EXEC-ROOT/tare.pid")
      --plugin-dir list           Folder with plugins' sockets, .spec and .json files (default ${PLUGIN_FOLDERS.join(', ')})
      --publish string            Who reaches published ports: open (everybody) or filtered (as the host's firewall says)
      --registry-certs-dir list   Folder with certificates by HOST[:PORT] (default /etc/tare/certs.d, /etc/docker/certs.d)
      --registry-addr string      Serve the images here to other machines, read-only, at HOST:PORT
      --registry-auth-config string
                                  Rights of the users of --registry-htpasswd by repository
      --registry-htpasswd string  Users who may pull from --registry-addr
      --registry-tls-cert string  Certificate for --registry-addr
      --registry-tls-key string   Key for --registry-addr
      --registry-mirror list      Mirror that is asked before Docker Hub
  -s, --storage-driver string     erofs or overlay (default: erofs where it can be mounted from the data root)
      --userns-remap string       User namespaces for containers: default, USER[:GROUP] or UID[:GID] of /etc/subuid
      --validate                  Check the configuration and exit

The configuration file has the flags' names as keys (lists in plural), and further:
  proxies    {"http-proxy": URL, "https-proxy": URL, "no-proxy": LIST}
  mirrors    {"HOST[:PORT]": [URL, ...], "*": [URL, ...]}: mirrors of any registry, asked before it
SIGHUP reads it again: debug and log level, labels, and everything about registries.
`;
