/** The JSON that the server sends and takes: the schemas of `openapi.json`. */

/** Settings as a notebook's metadata holds them; `GET /settings` lists the keys. */
export type Settings = Record<string, unknown>;

/** What went wrong, and what to do about it. Text, never HTML. */
export interface IProblem {
  readonly message: string;
  readonly hint: string;
}

/** An error as the server sends it. */
export interface IServerError extends IProblem {
  readonly type: string;
  /** The setting that caused it. */
  readonly key?: string;
  /** What has not been approved, in words. */
  readonly items?: readonly string[];
  /** The Dockerfile's line, from 1. */
  readonly line?: number;
  readonly instruction?: string;
  /** The last output of the instruction that failed. */
  readonly tail?: string;
}

/** A container engine, as `jupyter containers doctor` reports it. */
export interface IEngine {
  readonly name: string;
  readonly version: string;
  /** Whether its program is on the server's machine. */
  readonly installed: boolean;
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

/** The details of an image. `kernels` is null before the image was probed. */
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

/** The result of a build, pull or conversion. */
export interface IJobResult {
  readonly reference: string;
  readonly name: string;
  readonly image_id: string;
  readonly reused: boolean;
  /** The settings to write into the notebook's metadata; null to leave them as they are. */
  readonly settings: Settings | null;
  /** What of these settings is not approved, in words. */
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

/** One event of a job; the last one is `end`, and brings the job. */
export interface IJobEvent {
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

/** A request to build a cell. */
export interface IBuildRequest {
  readonly path: string;
  readonly source: string;
  readonly index: number;
  readonly cell_id: string;
  /** The notebook's current settings, saved or not. */
  readonly settings: Settings | null;
  /** The sources of the `%%dockerfile` cells above, in order. */
  readonly earlier?: readonly string[];
  readonly no_cache?: boolean;
  readonly update_bases?: boolean;
  /** What its build reads beside the notebook's folder and the user has approved, in words. */
  readonly approved?: readonly string[];
  /** Whether the user typed the whole cell in this page: what they named there is not asked. */
  readonly typed?: boolean;
  /** Whether somebody else wrote the cell, although the notebook is the user's own. */
  readonly foreign?: boolean;
}

/** A container that this extension started. */
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
  /** The notebook's path, for a container of this server; `notebook` is only its name. */
  readonly path: string | null;
}

/** The limits and ids in effect, read inside the container; null means no limit. */
export interface IApplied {
  readonly uid: number;
  readonly gid: number;
  readonly memory: number | null;
  readonly pids: number | null;
  readonly cpus: number | null;
  readonly network: readonly string[];
}

/** What a container uses at the moment. */
export interface IStats {
  readonly cpu_percent: number;
  readonly memory_bytes: number;
  readonly memory_limit: number | null;
  readonly pids: number | null;
}

/** A container with its limits and its current use. */
export interface IContainerDetail extends IContainer {
  readonly applied: IApplied | null;
  readonly stats: IStats | null;
}

/** A GPU or another device, with its CDI name. */
export interface IDevice {
  readonly name: string;
  readonly kind: string;
  readonly memory_total: number | null;
  readonly memory_used: number | null;
  readonly load_percent: number | null;
  readonly kernels: readonly string[];
}

/** One setting, as the form shows it. */
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
  /** The policy's trait that limits it, or an empty string. */
  readonly trait: string;
  readonly option: string;
  /** Whether `%%dockerfile` takes that option. */
  readonly in_cell: boolean;
  /** Engines that do not support it. */
  readonly unable: readonly string[];
}

/** Why one setting is invalid. */
export interface IFieldError extends IProblem {
  readonly key: string;
  readonly trait: string;
}

/** The result of checking settings. */
export interface ICheck {
  readonly errors: readonly IFieldError[];
  readonly missing: readonly string[];
  /** The keys of the settings in `missing`. */
  readonly missing_keys: readonly string[];
}

/** The batch job that a kernel runs in. */
export interface IPlacement {
  readonly job: string;
  readonly node: string | null;
  /** When the job's time limit ends, in seconds since 1970. */
  readonly ends: number | null;
  /** A warning that the time limit is close, or that the job is not reached now. */
  readonly warning: string | null;
}

/** A notebook's kernel that runs in a container. */
export interface IKernel {
  readonly id: string;
  readonly state:
    'starting' | 'running' | 'restarting' | 'empty' | 'failed' | 'dead';
  readonly phase: string;
  readonly trouble: IProblem | null;
  readonly container: string | null;
  readonly engine: string;
  readonly image: string;
  readonly applied: IApplied | null;
  /** The settings that its container was started with. */
  readonly running: Settings | null;
  /** Null for a container on the server's own machine. */
  readonly placement: IPlacement | null;
}

/** A JupyterLab extension that draws outputs of an image's packages and that the server lacks. */
export interface ILacking {
  readonly extension: string;
  /** The Python package that brings it, and its version in the image. */
  readonly package: string | null;
  readonly version: string | null;
  /** What installs it; null where somebody else runs the server. */
  readonly command: string | null;
}

/** What a notebook asks for, what of it is approved, and what runs. */
export interface INotebook {
  readonly path: string;
  readonly asked: Settings | null;
  readonly error: IServerError | null;
  /** What it asks for and is not approved, and all that it asks for, in words. */
  readonly missing: readonly string[];
  readonly asks: readonly string[];
  /** The keys of the settings in `missing`. */
  readonly missing_keys: readonly string[];
  readonly engine: string | null;
  readonly image_here: boolean | null;
  /** Whether the image that is here was built from what the notebook records. */
  readonly build_same: boolean | null;
  /** A problem that does not prevent the start, but the work in the kernel. */
  readonly warning: string | null;
  /** Whether another notebook has taken the place of the one that was approved. */
  readonly changed: boolean;
  /** What draws outputs of its image's packages and the server lacks. */
  readonly lacking: readonly ILacking[];
  /** Whether a build of one of its cells runs or is queued. */
  readonly building: boolean;
  readonly kernel: IKernel | null;
}

/** How what a notebook displays is to be drawn. */
export interface IOutputs {
  readonly path: string;
  /** Whether the notebook is one of ours; others are JupyterLab's. */
  readonly applies: boolean;
  /** The user's decision. */
  readonly outputs: 'isolated' | 'trusted';
  /** Whether the administrator lets users decide. */
  readonly may_trust: boolean;
}

/** What is approved for a notebook. `path` is null if it is not below the server's root. */
export interface IApproval {
  readonly id: string;
  readonly path: string | null;
  readonly file: string;
  readonly outputs: 'isolated' | 'trusted';
  readonly items: readonly {
    readonly text: string;
    /** As `2026-11-29`; null in records of earlier versions. */
    readonly day: string | null;
  }[];
}

/** A file of a notebook's folder that a first Dockerfile cell can be made from. */
export interface IStarter {
  readonly name: string;
  readonly kind: 'pip' | 'conda' | 'pyproject' | 'dockerfile' | 'devcontainer';
}

/** A kernel spec that was pinned from an image. */
export interface IKernelSpec {
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

/** A file or folder that a build may copy. */
export interface IPath {
  readonly name: string;
  readonly folder: boolean;
}

/** What a cell has installed: the whole Dockerfile cell with it, and what is left out (notes). */
export interface IAdditions {
  readonly packages: readonly string[];
  /** The lines that are new or changed; empty if there is nothing to add. */
  readonly lines: readonly string[];
  readonly dockerfile: string;
  readonly notes: readonly string[];
  /** Whether the output does not tell all versions: ask the kernel, and then again. */
  readonly ask: boolean;
}

/** What a container has that its image has not; `more` is left out, a size of null not known. */
export interface IChanges {
  readonly packages: readonly {
    readonly tool: 'pip' | 'conda' | 'apt';
    readonly name: string;
    readonly version: string;
    readonly was: string;
    readonly kind: 'added' | 'changed' | 'removed';
    /** Whether somebody named it: the others came because these need them. */
    readonly asked: boolean;
  }[];
  readonly folders: readonly {
    readonly path: string;
    readonly files: number;
    readonly size: number | null;
    readonly entries: readonly {
      readonly path: string;
      readonly kind: 'added' | 'changed' | 'removed';
      readonly files: number;
      readonly size: number | null;
    }[];
    readonly more: number;
  }[];
  readonly more: number;
}

/** What the package index says of a package. */
export interface IFoundPackage extends IProblem {
  readonly name: string;
  /** Empty if there is none (`missing`), or the index did not answer: `message` says why. */
  readonly version: string;
  readonly missing: boolean;
}

/** Packages with their versions, for each tool that installs. */
export type Packages = Record<string, Record<string, string>>;

/** The engines, and the one that is used if the settings name none. */
export interface IEngines {
  readonly engines: readonly IEngine[];
  readonly default: string | null;
}

/** The images of all engines, and which engines could not list theirs. */
export interface IImages {
  readonly images: readonly IImage[];
  readonly problems: readonly (IProblem & { readonly engine: string })[];
}

/** Something that nobody needs any more; a size of null is not known. */
export interface ILeftover {
  readonly kind: 'container' | 'directory' | 'cache' | 'network' | 'image';
  readonly name: string;
  readonly size: number | null;
}

/** What was removed of the leftovers, and what could not be. */
export interface ICleanup {
  readonly removed: readonly ILeftover[];
  readonly kept: readonly {
    readonly name: string;
    readonly problem: IProblem;
  }[];
}

/** The devices of the server's machine, and where it looked for them. */
export interface IDevices {
  readonly devices: readonly IDevice[];
  readonly looked: readonly string[];
}

/** The ports of a kernel's container: those listened on inside, with the page's address, and those
 * that its settings publish on this server's machine. */
export interface IPorts {
  readonly listening: readonly {
    readonly port: number;
    readonly process: string;
    readonly url: string;
  }[];
  readonly published: readonly {
    readonly port: number;
    readonly host: string;
    readonly host_port: number;
  }[];
}

/** The terminals in a kernel's container. */
export interface ITerminals {
  readonly terminals: readonly { readonly name: string }[];
  /** Why no other may be opened, in words; null: it may. */
  readonly refused: string | null;
}

/** An image on an engine. */
export interface IImageReference {
  readonly engine: string;
  readonly reference: string;
}
