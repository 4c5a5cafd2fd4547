// Which fields the local cloud knows in each part of a definition; a field that is not here is refused by name.

export const machineFields = ["Comment", "QueryLanguage", "StartAt", "States", "TimeoutSeconds", "Version"];
export const blockFields = ["Comment", "QueryLanguage", "StartAt", "States"];
export const processorFields = [...blockFields, "ProcessorConfig"];

const everyState = ["Type", "Comment", "QueryLanguage"];
const flowing = [...everyState, "Next", "End", "Output", "Assign"];
const guarded = [...flowing, "Retry", "Catch"];

/** Fields by state type. */
export const stateFields: Readonly<Record<string, readonly string[]>> = {
  Task: [...guarded, "Resource", "Arguments", "TimeoutSeconds"],
  Parallel: [...guarded, "Branches", "Arguments"],
  Map: [
    ...guarded,
    "Items",
    "ItemSelector",
    "ItemProcessor",
    "ItemReader",
    "ItemBatcher",
    "ResultWriter",
    "MaxConcurrency",
    "ToleratedFailureCount",
    "ToleratedFailurePercentage",
    "Label",
  ],
  Pass: flowing,
  Wait: [...flowing, "Seconds", "Timestamp"],
  Choice: [...everyState, "Choices", "Default", "Output", "Assign"],
  Succeed: [...everyState, "Output"],
  Fail: [...everyState, "Error", "Cause"],
};

/** Map fields that mean something in distributed mode only. */
export const distributedOnlyFields = [
  "ItemReader",
  "ItemBatcher",
  "ResultWriter",
  "ToleratedFailureCount",
  "ToleratedFailurePercentage",
  "Label",
];

/** Fields of the other query language, to be named as such. */
export const jsonPathFields = new Set([
  "InputPath",
  "OutputPath",
  "ResultPath",
  "ResultSelector",
  "Parameters",
  "Result",
  "ItemsPath",
  "SecondsPath",
  "TimestampPath",
  "TimeoutSecondsPath",
  "HeartbeatSecondsPath",
  "ErrorPath",
  "CausePath",
  "MaxConcurrencyPath",
  "ToleratedFailureCountPath",
  "ToleratedFailurePercentagePath",
  "MaxItemsPath",
  "MaxItemsPerBatchPath",
  "MaxInputBytesPerBatchPath",
  "Variable",
  "Iterator",
]);

export const retrierFields = [
  "Comment",
  "ErrorEquals",
  "IntervalSeconds",
  "MaxAttempts",
  "BackoffRate",
  "MaxDelaySeconds",
  "JitterStrategy",
];
export const catcherFields = ["Comment", "ErrorEquals", "Next", "Assign", "Output"];
export const choiceRuleFields = ["Comment", "Condition", "Next", "Assign", "Output"];
export const readerFields = ["Resource", "Arguments", "ReaderConfig"];
export const readerConfigFields = ["InputType", "MaxItems"];
export const batcherFields = ["MaxItemsPerBatch", "MaxInputBytesPerBatch", "BatchInput"];
export const writerFields = ["Resource", "Arguments", "WriterConfig"];
export const writerConfigFields = ["Transformation", "OutputType"];
