/** The JSON that the server sends and takes: the schemas of `openapi.json`. */

/** Settings as a notebook's metadata holds them; `fields.py` has the keys. */
export type Settings = Record<string, unknown>;

/** What went wrong, and what to do about it. Text, never HTML. */
export interface IProblem {
  readonly message: string;
  readonly hint: string;
}

/** A `ContainersError` as the server sends it. */
export interface IServerError extends IProblem {
  readonly type: string;
  /** The setting that is to blame. */
  readonly key?: string;
  /** What has not been approved, in words. */
  readonly items?: readonly string[];
  /** The Dockerfile's line, from 1. */
  readonly line?: number;
  readonly instruction?: string;
  /** The last output of the instruction that failed. */
  readonly tail?: string;
}

/** A program that runs containers, as `doctor` sees it. */
export interface IEngine {
  readonly name: string;
  readonly version: string;
  readonly usable: boolean;
  readonly rootless: boolean;
  readonly features: readonly string[];
  readonly problems: readonly { message: string; fix: string }[];
}

/** One name of an image on one engine. Sizes are bytes, times ISO 8601. */
export interface IImage {
  readonly reference: string;
  readonly id: string;
  readonly engine: string;
  readonly size: number;
  readonly created: string;
  /** The kernel spec that it is pinned as. */
  readonly pinned: string | null;
}

/** All that is known of an image. `kernels` is null where nobody has looked yet. */
export interface IImageDetail extends Omit<IImage, 'pinned'> {
  readonly architecture: string;
  readonly user: string;
  readonly digests: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly layers: readonly ILayer[];
  readonly kernels:
    readonly { name: string; display_name: string; language: string }[] | null;
  readonly kernel_problem: IProblem | null;
}

/** One instruction's layer. */
export interface ILayer {
  readonly created_by: string;
  readonly size: number;
  readonly created: string;
}

/** How far a job is. */
export type JobState = 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';

/** What a build or pull came to. */
export interface IJobResult {
  readonly reference: string;
  readonly name: string;
  readonly image_id: string;
  readonly reused: boolean;
  /** What the notebook's metadata should be now; null where it stays. */
  readonly settings: Settings | null;
  /** What of it is not approved yet, in words. */
  readonly missing: readonly string[];
}

/** A build, pull or conversion on the server. Times are seconds since 1970. */
export interface IJob {
  readonly id: string;
  readonly kind: 'build' | 'pull' | 'convert';
  readonly state: JobState;
  readonly title: string;
  readonly engine: string;
  readonly path: string | null;
  readonly index: number;
  readonly cell_id: string;
  readonly started: number;
  readonly ended: number | null;
  readonly error: IServerError | null;
  readonly result: IJobResult | null;
}

/** One event of a build or pull: `models.Progress`, and the last one, `end`. */
export interface IProgress {
  readonly n: number;
  readonly kind: 'step' | 'log' | 'bytes' | 'cached' | 'notice' | 'end';
  readonly text: string;
  readonly step: number;
  readonly steps: number;
  readonly line: number;
  readonly stage: string;
  readonly done: number;
  readonly total: number;
  readonly job?: IJob;
}

/** A cell to build. */
export interface IBuildRequest {
  readonly path: string;
  readonly source: string;
  readonly index: number;
  readonly cell_id: string;
  /** The notebook's settings now, saved or not. */
  readonly settings: Settings | null;
  /** What earlier `%%dockerfile` cells of the notebook hold, in order. */
  readonly earlier?: readonly string[];
  readonly no_cache?: boolean;
  readonly update_bases?: boolean;
}

/** A container of ours. */
export interface IContainer {
  readonly id: string;
  readonly name: string;
  readonly engine: string;
  readonly image: string;
  readonly notebook: string;
  readonly kernel_id: string;
  readonly running: boolean;
  readonly created: string;
  readonly orphan: boolean;
  /** Whether a kernel of this server runs in it. */
  readonly mine: boolean;
  /** Where the notebook of such a one lies; `notebook` is only its name. */
  readonly path: string | null;
}

/** The limits and ids that really apply, read from inside; null where nothing limits. */
export interface IApplied {
  readonly uid: number;
  readonly gid: number;
  readonly memory: number | null;
  readonly pids: number | null;
  readonly cpus: number | null;
  readonly network: readonly string[];
}

/** What a container uses now. */
export interface IStats {
  readonly cpu_percent: number;
  readonly memory_bytes: number;
  readonly memory_limit: number | null;
  readonly pids: number | null;
}

/** A container with what is asked of it live. */
export interface IContainerDetail extends IContainer {
  readonly applied: IApplied | null;
  readonly stats: IStats | null;
}

/** A GPU or another device by its CDI name. */
export interface IDevice {
  readonly name: string;
  readonly kind: string;
  readonly memory_total: number | null;
  readonly memory_used: number | null;
  readonly load_percent: number | null;
  readonly kernels: readonly string[];
}

/** One key of the settings, as the form shows it: `fields.Field`. */
export interface IField {
  readonly key: string;
  readonly kind:
    | 'image'
    | 'word'
    | 'choice'
    | 'flag'
    | 'number'
    | 'count'
    | 'size'
    | 'list'
    | 'mounts'
    | 'object';
  readonly doc: string;
  readonly default: unknown;
  readonly choices: readonly string[];
  /** The policy's trait that limits it; empty where none does. */
  readonly trait: string;
  readonly option: string;
  /** Whether `%%dockerfile` takes that option. */
  readonly in_cell: boolean;
  /** Engines that cannot honour it. */
  readonly unable: readonly string[];
}

/** What is wrong with one setting. */
export interface IFieldError extends IProblem {
  readonly key: string;
  readonly trait: string;
}

/** The answer to a check of settings. */
export interface ICheck {
  readonly errors: readonly IFieldError[];
  readonly missing: readonly string[];
  /** The keys of what is in `missing`. */
  readonly missing_keys?: readonly string[];
}

/** Where a cluster's scheduler has put a kernel. */
export interface IPlacement {
  readonly job: string;
  readonly node: string | null;
  /** When the job's time is over, in seconds since 1970. */
  readonly ends: number | null;
  /** That its time is almost over. */
  readonly warning: string | null;
}

/** A notebook's kernel, as far as it is ours. */
export interface IKernel {
  readonly id: string;
  readonly state: 'starting' | 'running' | 'restarting' | 'failed' | 'dead';
  readonly phase: string;
  readonly trouble: IProblem | null;
  readonly container: string | null;
  readonly engine: string;
  readonly image: string;
  readonly applied: IApplied | null;
  /** The settings that the container was started with. */
  readonly running: Settings | null;
  /** Null where it runs on the server's own machine. */
  readonly placement?: IPlacement | null;
}

/** What a notebook asks for, what is approved, and what runs. */
export interface INotebook {
  readonly path: string;
  readonly asked: Settings | null;
  readonly error: IServerError | null;
  /** What it asks for that is not approved, and all that it asks for, in words. */
  readonly missing: readonly string[];
  readonly asks: readonly string[];
  /** The keys of what is in `missing`. */
  readonly missing_keys?: readonly string[];
  readonly engine: string | null;
  readonly image_here: boolean | null;
  /** Whether the image that is here was built from what the notebook records. */
  readonly build_same: boolean | null;
  /** What would not keep it from starting, but from working. */
  readonly warning?: string | null;
  /** Whether a cell of it is being built, or waits for its turn. */
  readonly building?: boolean;
  readonly kernel: IKernel | null;
}

/** A pinned kernel of ours. */
export interface IPinned {
  readonly name: string;
  readonly display_name: string;
  readonly settings: Settings;
}

/** A remark on a Dockerfile. `line` is the cell's, from 1; `url` explains `code`. */
export interface IRemark {
  readonly line: number;
  readonly column: number;
  readonly level: 'error' | 'warning' | 'info' | 'style';
  readonly code: string;
  readonly message: string;
  readonly url: string;
}
