"""The schema of every file that a run or a study leaves, and of what passes between stages.

    manifest.json      training.Manifest           sweep.json    studies.SweepResult
    journal.jsonl      training.JournalRecord      audit.json    studies.AuditResult
    evaluation.json    evaluation.RunEvaluation

Writer, readers, report, command line and tests share one class a file. Classes are frozen and
refuse unknown fields. Accuracies are fractions, likelihoods are in nats, times in seconds.
"""
