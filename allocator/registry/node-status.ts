// The status that a weft host publishes for operators, under `<prefix>/weft/hosts/<public IP>`.

/** Folder below `<prefix>/weft/`. */
export const HOSTS_FOLDER = 'hosts/';

export interface HostReportV1 {
  readonly version: 1;
  /** Identity of the host's boot: two hosts with one public IP have two. */
  readonly boot?: string;
  /** What operators call the host: its host name. */
  readonly name?: string;
  /** MTU of its underlay interface. */
  readonly underlayMtu?: number;
  /** Whether it answers requests of peers; earlier versions do not say, and do not. */
  readonly answersPeers?: boolean;
  /** Key of the host's lease below `<prefix>/subnets/`. */
  readonly key: string;
  readonly config: {
    /** Revision of the document in force. */
    readonly revision: number;
    /** A newer one that the host rejects, and why. */
    readonly rejected?: { readonly revision: number; readonly reason: string };
  };
  /** A migration between transports that this host has not finished. */
  readonly migration?: {
    readonly state: string;
    readonly announced: string;
    readonly wanted: string;
    /** How many peers it waits for. */
    readonly waitingFor: number;
    readonly obstacle?: string;
  };
}

/** Parses a status; `undefined` if it is none. */
export function parseHostReport(text: string): HostReportV1 | undefined {
  try {
    const report = JSON.parse(text) as Partial<HostReportV1> | null;
    const isReport = report?.version === 1 && typeof report.config?.revision === 'number';
    return isReport ? (report as HostReportV1) : undefined;
  } catch {
    return undefined;
  }
}
