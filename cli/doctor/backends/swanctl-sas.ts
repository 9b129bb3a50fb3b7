// The output of `swanctl --list-sas`, as far as peers and states go. Pure.
//
//   NAME: #1, ESTABLISHED, IKEv2, d124f89d2a867d82_i* 2deec669be13f488_r
//     …
//     NAME: #3, reqid 11, INSTALLED, TUNNEL, ESP:AES_GCM_16-128

/** An IKE SA. */
export interface IkeSa {
  /** Public IP of the peer, with which names of connections end. */
  readonly remote: string;
  readonly isEstablished: boolean;
  /** Whether the peer has answered: it has chosen an SPI. */
  readonly isAnswered: boolean;
  /** Whether the kernel has an SA of ESP that it negotiated. */
  readonly hasTunnel: boolean;
}

const HEAD = /^\S*-([0-9.]+): #\d+, ([A-Z]+), IKEv2, [0-9a-f]+_i\*? ([0-9a-f]+)_r/;
const TUNNEL = /^\s+\S+: #\d+, .*\b(?:INSTALLED|REKEYING|REKEYED)\b/;

export function parseSas(output: string): readonly IkeSa[] {
  return output.split(/\n(?=\S)/).flatMap((block) => {
    const [head = '', ...lines] = block.split('\n');
    const [, remote, state, spi = ''] = HEAD.exec(head) ?? [];
    if (remote === undefined) return [];
    return [
      {
        remote,
        isEstablished: state === 'ESTABLISHED' || state === 'REKEYING',
        isAnswered: /[^0]/.test(spi),
        hasTunnel: lines.some((line) => TUNNEL.test(line)),
      },
    ];
  });
}
