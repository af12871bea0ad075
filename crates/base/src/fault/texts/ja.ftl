# 日本語のテキスト (../catalogue.rs)。
#
# コードごとに 3 つ: -what (何が起きたか。1 行、句点なし)、-why (原因)、-try (推奨される操作。1 行に 1 つ、
# 最善のものを先に)。

label-what = 内容
label-why = 原因
label-try = 推奨される操作
label-exit = 終了コード
label-compat = 別名
label-unknown = (不明)
label-severity-critical = 重大
label-severity-warning = 警告
label-severity-information = 情報

## プログラム自体

Internal-what = Dozo の内部エラーが発生しました: {$detail}
Internal-why = プログラムが、起こり得ないはずの状態を検出しました。害が及ぶ前に停止したため、それまでに保存されたデータには影響ありません。
Internal-try =
    コマンドをもう一度実行してください。中断された作業は失われません。
    このメッセージと直前の操作を添えて報告してください。

UsageError-what = {$detail}
UsageError-why = コマンドの指定から何をすべきか判断できないため、何も実行しませんでした。
UsageError-try =
    `dozo help` を実行するか、コマンドの後に `--help` を付けて、使い方を確認してください。

OutputUnwritable-what = 結果を書き込めません
OutputUnwritable-why = オペレーティング システムに拒否されました: {$reason}。
OutputUnwritable-try =
    出力先の空き領域を確保してから、もう一度コマンドを実行してください。

CodeUnknown-what = コード「{$code}」はありません
CodeUnknown-why = コードは PoolFull のような名前です。元の製品のエラー番号 (33515 など) も使用できます。
CodeUnknown-try =
    コードを付けずに `dozo explain` を実行すると、すべてのコードが表示されます。

ClockSkew-what = このコンピューターの時計が、{$reference}と比べて {$skew} ずれています
ClockSkew-why = 時計が手動で変更されたか、時刻の同期が機能していません。このままではスケジュールが誤った時刻に実行されます。なお、飛んだ時計を根拠にデータが削除されることはありません。
ClockSkew-try =
    `timedatectl` を実行し、時刻の同期を有効にしてください。
    時計を直した後に `dozo status` で状態を確認してください。

## データ ディレクトリとサーバー

DataDirectoryEmpty-what = データ ディレクトリ {$path} には何も保存されていません
DataDirectoryEmpty-why = まだ何も保護されていないか、場所が間違っています。表示するだけのコマンドは、ここに何も作成しません。
DataDirectoryEmpty-try =
    `dozo protect PATH` で保護を開始するか、`--data-dir` または DOZO_DATA_DIR で正しい場所を指定してください。

DataDirectoryNotADirectory-what = {$path} はディレクトリではないため、データを保存できません
DataDirectoryNotADirectory-why = データ ディレクトリまたはその上位として指定されたものが、ファイル、デバイス、またはリンク先のないリンクです。何も変更していません。
DataDirectoryNotADirectory-try =
    `--data-dir` または DOZO_DATA_DIR でディレクトリを指定してください。まだないディレクトリは作成されます。

DataDirectoryInUse-what = データ ディレクトリ {$path} には {$found} があるため、プールを引き継げません
DataDirectoryInUse-why = このディレクトリは、すでに別のサーバーが使用しているか、以前に使用していたものです。ディレクトリの内容は変更していません。
DataDirectoryInUse-try =
    プールの引き継ぎが済んでいる場合は、そのまま使用できます: `dozo status`。
    空のディレクトリ、またはまだ存在しないディレクトリを `--data-dir` で指定してください。

AdoptionUnfinished-what = データ ディレクトリ {$path} へのプール {$pool} の引き継ぎが完了していません
AdoptionUnfinished-why = 引き継ぎが途中で中断されました。完了するまで、保護も回復ポイントの期限切れの処理も行われません。回復ポイントは失われていません。
AdoptionUnfinished-try =
    もう一度実行してください: `dozo server adopt --pool {$pool} --key FILE`

AdoptionReadOnly-what = プール {$pool} は読み取り専用のため、引き継げません
AdoptionReadOnly-why = ファイル システムが読み取り専用でマウントされているか、ディスク エラーの後にカーネルが読み取り専用に切り替えました。鍵ファイル {$key} で開けるため、参照と復元は可能です。何も変更していません。
AdoptionReadOnly-try =
    参照と復元だけを行う場合は、`mkdir -m 700 ./look && cp {$key} ./look/server.key && ln -s {$pool} ./look/pool` を実行した後、`dozo point list --data-dir ./look` と `dozo restore SOURCE --to DIR --data-dir ./look` を使用してください。
    引き継ぐ場合は、`dmesg` でディスク エラーがないか確認し、書き込み可能な状態でマウントし直してから (`mount -o remount,rw`)、コマンドをもう一度実行してください。

DataDirectoryBusy-what = データ ディレクトリ {$path} は、プロセス {$pid} ({$command}) が使用中です
DataDirectoryBusy-why = 1 つのデータ ディレクトリを同時に使用できるプロセスは 1 つだけです。このプロセスは {$since} に開始され、現在も動作しています。
DataDirectoryBusy-try =
    プロセス {$pid} の終了を待ってから、コマンドをもう一度実行してください。
    `dozo job list` で実行中の処理を確認してください。
    `--data-dir` で別のデータ ディレクトリを指定してください。

DataDirectoryUnwritable-what = データ ディレクトリ {$path} に書き込めません
DataDirectoryUnwritable-why = オペレーティング システムに拒否されました: {$reason}。Dozo はここにカタログと鍵を保存し、特に指定がなければ記憶域プールもここに置きます。
DataDirectoryUnwritable-try =
    このディレクトリの所有者としてコマンドを実行してください。「File too large」と表示された場合は、`ulimit -f` またはサービスの LimitFSIZE= を引き上げてください。
    ファイル システムがいっぱいの場合は、空き領域を作ってください。そうでない場合は、`dmesg` でディスク エラーがないか確認してください。
    書き込み可能なディレクトリを `--data-dir` または DOZO_DATA_DIR で指定してください。

PermissionMissing-what = {$operation} を使用する権限がありません
PermissionMissing-why = 権限「{$needs}」が必要です。ネットワーク経由ではまだサインインできないため、データ ディレクトリ内のソケットだけがこの権限を与えます。
PermissionMissing-try =
    サーバー上で、データ ディレクトリの所有者として `dozo` コマンドを実行してください。

ServerCannotListen-what = {$address} で待ち受けできません
ServerCannotListen-why = オペレーティング システムに拒否されました: {$reason}。
ServerCannotListen-try =
    `--listen` で別のアドレスを指定するか、このアドレスを使っているプログラムを停止してください。

ServerUnreachable-what = バックアップ サーバー {$address} に接続できません
ServerUnreachable-why = 応答がありませんでした: {$reason}。サーバーが動作していないか、通信が途中で妨げられています。
ServerUnreachable-try =
    `dozo up` でサーバーを起動してください。
    `dozo status` で応答を確認してください。

ServerSilent-what = バックアップ サーバー {$address} が応答しません
ServerSilent-why = サーバーは存在しますが、{$limit}の間応答がありませんでした。一時停止しているか、ディスクの応答を待っています。要求した処理は、サーバーが再開した後に実行されることがあります。
ServerSilent-try =
    `ps` で `dozo up` の状態を確認してください。T (一時停止) の場合は、`kill -CONT` または `fg` で再開できます。D の場合はディスクの応答を待っています。
    サーバーが応答するようになったら、もう一度コマンドを実行してください。その間に実行された処理は `dozo job list` で確認できます。

ResourcesExhausted-what = オペレーティング システムのリソースが不足しています: {$reason}
ResourcesExhausted-why = このプロセスまたはコンピューター全体で、開けるファイル数、スレッド数、またはメモリの上限に達しました。記憶域プールと回復ポイントに問題はありません。この状態で続けると、どのデータが欠けるかわからないため、実行中だった処理を中止しました。
ResourcesExhausted-try =
    プロセスが開けるファイル数の上限を引き上げてください: `ulimit -n`、またはサービスの LimitNOFILE=。コンピューター全体の上限は `sysctl fs.file-max` です。
    スレッド数が上限に達している場合は、他のプログラムを終了するか、`ulimit -u` またはサービスの TasksMax= を引き上げてください。
    メモリが不足している場合は、`free -m` と `dmesg` を確認し、他のプログラムを終了するか、サービスの MemoryMax= を引き上げてください。
    コマンドをもう一度実行してください。

SchedulerNotRunning-what = 実行予定のジョブがあるのに、{$since} 以降、スケジュールされたジョブが 1 つも開始されていません
SchedulerNotRunning-why = スケジューラが停止しているか、応答していません。この場合はどのジョブも失敗にならないため、この警告がなければ気付くことができません。
SchedulerNotRunning-try =
    `dozo up` を実行してください。スケジューラが起動し、実行されなかった分がメンバーごとに 1 回実行されます。
    `dozo job list` で最後に実行されたジョブを確認してください。

SlaMissed-what = {$source} の最新の正常な回復ポイントは {$age}前のもので、目標の {$promise}を超えています
SlaMissed-why = 回復ポイントの作成に失敗したか、スケジュールの間隔が長すぎるか、ジョブが開始されていません。今データを失うと、それ以降の変更は復元できません。
SlaMissed-try =
    `dozo point create {$source}` で今すぐ回復ポイントを作成してください。
    `dozo job list` で直近の失敗の原因を確認してください。

## データ ソースと読み取り

SourcePathMissing-what = {$path} が見つかりません
SourcePathMissing-why = パスの入力に誤りがあるか、削除されたか、ファイル システムがマウントされていません。以前に作成された回復ポイントは引き続き復元できます。
SourcePathMissing-try =
    パスを確認するか、ファイル システムをマウントしてください。
    `dozo source list` で保護されているデータ ソースを確認してください。

SourcePathUnreadable-what = {$path} を読み取れません
SourcePathUnreadable-why = 開くことができませんでした: {$reason}。
SourcePathUnreadable-try =
    root、または読み取り権限のあるユーザーでコマンドを実行してください。
    ディレクトリまたは通常のファイルを指定してください。

SourceNotMounted-what = {$source} のファイル システムがマウントされていないようです
SourceNotMounted-why = {$path} は前回の同期時とは別のファイル システム上にあり、前回存在したエントリ {$count} 個のうち {$left} 個しか見つかりません。このまま同期すると、残りは削除されたものとして扱われてしまいます。レプリカと既存の回復ポイントは変更されていません。
SourceNotMounted-try =
    ファイル システムを {$path} にマウントしてから、`dozo sync {$source}` を実行してください。
    ディスクを交換した場合は、`dozo restore {$source} --original` で以前のデータを復元してください。
    現在の内容をこのデータ ソースとして保護する場合は、`dozo source accept {$source}` を実行してください。

SourceInsidePool-what = {$path} は保護できません。データ ディレクトリ {$pool} の中にあります
SourceInsidePool-why = 回復ポイントに以前の回復ポイントが含まれていき、プールが際限なく大きくなってしまいます。
SourceInsidePool-try =
    別の場所を保護してください。データ ディレクトリを含むパスでは、それ以外のすべてが保護されます。
    `--data-dir` でデータ ディレクトリを別の場所に置いてください。

SourceUnknown-what = データ ソース「{$source}」はありません
SourceUnknown-why = データ ソースは「マシン:種類/パス」の形のアドレス、他と区別できるその先頭部分、またはパスで指定します。
SourceUnknown-try =
    `dozo source list` ですべてのデータ ソースを確認してください。
    `dozo protect PATH` で追加してください。

SourceAmbiguous-what = 「{$source}」に該当するデータ ソースが複数あります: {$matches}
SourceAmbiguous-why = 対象が 1 つに決まらない限り、何も実行しません。
SourceAmbiguous-try =
    名前をもう少し長く入力してください。`dozo source list` ですべて確認できます。

SourceWithoutPoints-what = {$source} にはまだ回復ポイントがありません
SourceWithoutPoints-why = 回復ポイントの作成が一度も完了していないか、すべて期限切れになったか、削除されました。
SourceWithoutPoints-try =
    `dozo point create {$source}` で作成してください。
    `dozo job list` で失敗したジョブがないか確認してください。

SourceDeviceNotReady-what = {$path} のデバイスが応答しなくなりました
SourceDeviceNotReady-why = 読み取りに失敗しました: {$reason}。ディスクまたはネットワーク ファイル システムが切断されたか、スナップショットが領域不足で破棄されました。読み取れなかったデータから回復ポイントは作成されていません。
SourceDeviceNotReady-try =
    `dmesg` とデバイスの状態を確認し、ファイル システムをマウントし直してください。
    応答が戻ったら `dozo sync SOURCE` を実行してください。送信済みのデータは再送されません。

SnapshotProviderUnavailable-what = {$provider} で {$path} のスナップショットを作成できません
SnapshotProviderUnavailable-why = {$reason}。スナップショットがない場合、ファイルは 1 つずつその時点の内容で読み取られます。回復ポイントの整合性レベルは「ライブ」になり、関連するファイルどうしの内容が食い違うことがあります。
SnapshotProviderUnavailable-try =
    データを btrfs のサブボリュームに置き、Dozo を root で実行してください。
    バックアップ中は、そこに書き込むプログラムを停止してください。

FileAccessBlocked-what = 別のプログラムが {$path} の読み取りを妨げています
FileAccessBlocked-why = ファイルを開くこと、または読み取りが拒否されました: {$reason}。多くの場合、ウイルス対策ソフト、ロック、セキュリティ ポリシーが原因です。このファイルは回復ポイントに含まれませんが、他のファイルはすべて含まれます。
FileAccessBlocked-try =
    ウイルス対策ソフトやポリシーで、Dozo によるこのパスの読み取りを許可してください。
    その後で `dozo sync SOURCE` を実行してください。

FileChangedWhileRead-what = {$path} は読み取り中に変更され続けました
FileChangedWhileRead-why = 読み取るたびに別のプログラムが書き込んでいたため、古い内容と新しい内容が混在している可能性があります。
FileChangedWhileRead-try =
    スナップショット (btrfs) を使うか、書き込みのない時間帯に保護してください。
    キャッシュやログであれば `--exclude` で除外してください。

FileVanished-what = {$path} は読み取る前になくなりました
FileVanished-why = 実行中に削除されたか、名前が変更されました。このファイルは回復ポイントに含まれません。
FileVanished-try =
    一時ファイルであれば、何もする必要はありません。
    このようなファイルは `--exclude` で除外してください。

FileUnreadable-what = {$path} を読み取れません
FileUnreadable-why = 読み取りに失敗しました: {$reason}。このファイルは回復ポイントに含まれませんが、他のファイルはすべて含まれます。
FileUnreadable-try =
    権限が不足している場合は、root でコマンドを実行してください。
    ディスク エラーの場合は、`dmesg` を確認してください。
    不要なファイルであれば `--exclude` で除外してください。

ExcludePatternInvalid-what = 除外パターン「{$pattern}」を解釈できません
ExcludePatternInvalid-why = {$reason}。パターンは .gitignore と同じ書き方で指定します。
ExcludePatternInvalid-try =
    パターンを修正してください。例: `--exclude "*.tmp"`、`--exclude /var/cache/`

MountRefused-what = {$path} にマウントできません
MountRefused-why = {$reason}。
MountRefused-try =
    自分が所有する空のディレクトリを指定してください。
    すでに回復ポイントがマウントされている場合は、`fusermount3 -u {$path}`、または root で `umount -l {$path}` を実行して解除してください。
    root 以外のユーザーの場合は、パッケージ `fuse3` をインストールしてください。
    `/dev/fuse` がない環境 (一部のコンテナーなど) では、代わりに `dozo restore --to` を使用してください。

MountDead-what = {$path} のマウントは機能していません
MountDead-why = マウントを処理していたプロセスが、マウントを解除せずに終了しました。そのため、ここでは読み取りも書き込みもできません。
MountDead-try =
    `fusermount3 -u {$path}`、または root で `umount -l {$path}` を実行してマウントを解除してから、もう一度コマンドを実行してください。

FindPatternInvalid-what = パターン「{$pattern}」を解釈できません
FindPatternInvalid-why = {$reason}。
FindPatternInvalid-try =
    名前の一部、または `"*.conf"`、`"report-[0-9]*"`、`"etc/**/hosts"` のようなパターンを入力してください。

ProtectionWarnings-what = {$source} の回復ポイントを作成しましたが、{$count} 件の項目は含まれていません
ProtectionWarnings-why = 再試行しても、読み取れなかったか、変更され続けていました。その他の項目はすべて回復ポイントに含まれています。
ProtectionWarnings-try =
    `dozo job show JOB` で各パスとその理由を確認してください。
    保護が不要なものは `--exclude` で除外してください。

## 回復ポイント

PointUnknown-what = 回復ポイント「{$point}」はありません
PointUnknown-why = 入力に誤りがあるか、期限切れになったか、削除されました。
PointUnknown-try =
    `dozo point list` ですべての回復ポイントを確認してください。

PointAmbiguous-what = 「{$point}」に該当する回復ポイントが複数あります: {$matches}
PointAmbiguous-why = 対象が 1 つに決まらない限り、何も実行しません。
PointAmbiguous-try =
    ID をもう少し長く入力してください。`dozo point list` ですべて確認できます。

PointNoneSoOld-what = {$source} には {$time} 以前の回復ポイントがありません
PointNoneSoOld-why = 最も古い回復ポイントは {$oldest} です。それより前のものは作成されていないか、期限切れになったか、削除されました。
PointNoneSoOld-try =
    より後の日時か、回復ポイントの ID を指定してください。`dozo point list {$source}` ですべて確認できます。

PointInUse-what = 回復ポイント {$point} は、ジョブ {$job} が使用中です
PointInUse-why = 復元などで読み取られている間は、回復ポイントは削除されません。
PointInUse-try =
    `dozo job watch {$job}` で終了を待ってから削除してください。
    `dozo job cancel {$job}` でそのジョブを中止してください。

PointHeld-what = 回復ポイント {$point} は保持されています
PointHeld-why = 期限切れにも削除の対象にもならないように保持されています。理由: {$reason}。
PointHeld-try =
    不要になった場合は、`dozo point release {$point}` で保持を解除してから削除してください。

PointsWouldExpire-what = 保護グループ「{$group}」の新しい保護ポリシーでは、回復ポイント {$count} 個が直ちに削除されます
PointsWouldExpire-why = これらを保持する規則がなくなります。削除した回復ポイントは元に戻せません。何も変更していません。保留中の回復ポイントは含まれていません。
PointsWouldExpire-try =
    `--dry-run` を付けて実行し、対象の回復ポイントを確認してください。
    削除してもよい場合は、`--yes` を付けてもう一度実行してください。

HoldReasonTooLong-what = 理由が長すぎます
HoldReasonTooLong-why = 回復ポイントを保持する理由は {$limit} 文字までです。
HoldReasonTooLong-try =
    整理番号など、短い理由を指定してください。

PointDamaged-what = 回復ポイント {$point} が破損しています
PointDamaged-why = 記憶域プールにある回復ポイントの記述が、書き込まれた内容と異なります: {$reason}。他の回復ポイントはこれに依存していません。
PointDamaged-try =
    `dozo point create SOURCE` で新しい回復ポイントを作成してください。
    `dozo point list` を実行し、前後の回復ポイントから復元してください。
    `dmesg` を確認し、プールのあるディスクを検査してください。

## 保護グループとメンバー

GroupUnknown-what = 保護グループ「{$group}」はありません
GroupUnknown-why = 入力に誤りがあるか、削除されています。
GroupUnknown-try =
    `dozo group list` ですべての保護グループを確認してください。
    `dozo group create {$group}` で作成してください。

GroupExists-what = 保護グループ「{$group}」は既にあります
GroupExists-why = 保護グループの名前は重複できません。
GroupExists-try =
    `dozo group set {$group}` で保護ポリシーを変更してください。
    別の名前を指定してください。

GroupNameInvalid-what = 「{$group}」は保護グループの名前に使用できません
GroupNameInvalid-why = {$reason}。名前は 1 ～ 64 文字で、文字 (アルファベットなど) を 1 つ以上含み、スラッシュ、縦棒、かっこ、ピリオドは使用できません。
GroupNameInvalid-try =
    別の名前を指定してください。例: `dozo group create Documents`

MemberInOtherGroup-what = {$source} は既に保護グループ「{$group}」のメンバーです
MemberInOtherGroup-why = 適用されるポリシーを 1 つにするため、データ ソースは同時に 1 つの保護グループにしか所属できません。
MemberInOtherGroup-try =
    先に `dozo group remove {$group} {$source}` を実行してください。回復ポイントは残ります。
    所属はそのままにして、`dozo group set {$group}` でそのグループの設定を変更してください。

MemberUnknown-what = {$source} は保護グループ「{$group}」のメンバーではありません
MemberUnknown-why = 別の保護グループに所属しているか、どのグループにも所属していません。
MemberUnknown-try =
    `dozo group show {$group}` でメンバーを確認してください。

MemberFailed-what = {$source} の最後のジョブが失敗しました: {$reason}
MemberFailed-why = メンバーごとに独立したタスクで処理されるため、「{$group}」の他のメンバーの処理は続行されました。
MemberFailed-try =
    `dozo sync {$source}` でこのメンバーだけを再試行してください。
    `dozo job list` で履歴を確認してください。

## ジョブ

JobUnknown-what = ジョブ「{$job}」はありません
JobUnknown-why = 入力に誤りがあるか、古いため履歴から削除されました。
JobUnknown-try =
    `dozo job list` ですべてのジョブを確認してください。

JobAmbiguous-what = 「{$job}」に該当するジョブが複数あります: {$matches}
JobAmbiguous-why = 対象が 1 つに決まらない限り、何も実行しません。
JobAmbiguous-try =
    ID をもう少し長く入力してください。`dozo job list` ですべて確認できます。

JobCancelled-what = ジョブ {$job} は取り消されました
JobCancelled-why = 取り消しが要求されたか、プログラムの停止が指示されました。作りかけの回復ポイントは残っていません。
JobCancelled-try =
    続行するには、コマンドをもう一度実行してください。保存済みのデータは再送されません。

JobInterrupted-what = ジョブ {$job} は中断されました
JobInterrupted-why = 実行中にプログラムまたはコンピューターが停止しました。作りかけの回復ポイントは残っておらず、以前の回復ポイントにも影響ありません。
JobInterrupted-try =
    続行するには、コマンドをもう一度実行してください。保存済みのデータは再送されません。
    `dozo job show {$job}` でどこまで進んだか確認してください。

JobTimedOut-what = ジョブ {$job} は {$limit}以内に終了しませんでした
JobTimedOut-why = 想定より時間がかかっているか、何かを待ち続けています。ジョブはまだ実行中の可能性があります。
JobTimedOut-try =
    `dozo job watch {$job}` で進行しているか確認してください。
    `dozo job cancel {$job}` で中止してください。

## 記憶域プール

PoolMissing-what = {$path} に記憶域プールがありません
PoolMissing-why = ファイル システムがマウントされていないか、プールが移動または削除されました。データが失われたように見えるのを避けるため、代わりに空のプールを作成することはありません。
PoolMissing-try =
    プールのあるファイル システムをマウントしてから、`dozo pool status` を実行してください。
    `--data-dir` で正しい場所を指定してください。プールを引き継ぐ場合は `--pool` で指定してください。

PoolUnreadable-what = 記憶域プール {$path} を読み取れません
PoolUnreadable-why = オペレーティング システムに拒否されました: {$reason}。何も変更されていません。読み取ろうとしたデータは残っている可能性があります。
PoolUnreadable-try =
    `dozo pool status` を実行して、ディスクが応答するか確認してください。
    コマンドをもう一度実行してください。

PoolUnwritable-what = 記憶域プール {$path} に書き込めません
PoolUnwritable-why = オペレーティング システムに拒否されました: {$reason}。既存の回復ポイントは引き続き復元できます。
PoolUnwritable-try =
    プールの所有者としてコマンドを実行してください。「File too large」と表示された場合は、`ulimit -f` またはサービスの LimitFSIZE= を引き上げてください。
    書き込めるようにした後に `dozo pool status` を実行してください。

PoolReadOnly-what = 記憶域プール {$path} が読み取り専用のため、何も保護できません
PoolReadOnly-why = ファイル システムが読み取り専用でマウントされているか、ディスク エラーの後にカーネルが読み取り専用に切り替えたか、データが確実に保存されたことをディスクから確認できないため Dozo 自身が書き込みを停止しました。既存の回復ポイントは引き続き参照および復元できます。
PoolReadOnly-try =
    まず `dmesg` でディスク エラーがないか確認してください。
    書き込み可能な状態でマウントし直してから (`mount -o remount,rw {$path}`)、`dozo up` を起動し直してください。

PoolRolledBack-what = 記憶域プール {$path} が以前の状態に戻されました: 回復ポイント {$count} 個が失われています
PoolRolledBack-why = ログのレコード {$record} が存在しないか、このサーバーが以前に見たものと異なります。その直前のレコードの時刻は {$since} です。コンピューターのスナップショットや古いプールのコピーが戻されたか、別のサーバーがプールのコピーに書き込んでいます。それ以降に行われたメンバーや保護グループの変更も失われています。Dozo は、プールに残っている内容で動作を続けます。
PoolRolledBack-try =
    新しいほうのプールが残っている場合は、`dozo up` を停止し、そのプールを元に戻してください。失われたものはその中にあります。
    `dozo source list` ですべてのデータ ソースが保護されているか確認し、それぞれに対して `dozo point create SOURCE` を実行してください。
    この警告は少なくとも 1 週間、すべてのデータ ソースに新しい回復ポイントが作成されるまで表示されます。

PoolFull-what = 記憶域プール {$path} の空き領域がありません (残り {$free})
PoolFull-why = 回復ポイントを削除して領域を回収できるように、ファイル システムの 5 % (64.0 MiB 以上 32.0 GiB 以下) は空けてあります。害が及ぶ前にジョブを停止しました。失われた回復ポイントはなく、レプリカの整合性も保たれています。保存済みのデータは、再試行のときに利用されます。
PoolFull-try =
    `dozo pool status` で領域の使用状況を確認してください。
    不要な回復ポイントを `dozo point delete POINT` で削除するか、保護グループのリテンション期間を `dozo group set GROUP` で短くしてから、`dozo pool gc` を実行してください。
    ファイル システムを拡張してください。

PoolLowSpace-what = 記憶域プール {$path} の空き領域が少なくなっています: {$total} のうち残り {$free}
PoolLowSpace-why = 古い回復ポイントが期限切れになるまで、変更のたびに使用量が増えます。空きが 5 % (最大 32.0 GiB) を下回ると、新しいデータは保存されません。
PoolLowSpace-try =
    `dozo pool status` で領域の使用状況を確認してください。
    ファイル システムを拡張するか、保護グループのリテンション期間を短くしてください: `dozo group set GROUP`

CollectionBlocked-what = ガベージ コレクションを続行できません: {$item} を最後まで読み取れません
CollectionBlocked-why = 破損箇所より下に何があるか分からないため、不要なデータを判断できません: {$reason}。何も削除していません。
CollectionBlocked-try =
    `dozo pool verify` で破損箇所を確認してください。
    レプリカの場合は `dozo source check SOURCE` を実行してください。破損したデータがソースから保存し直されます。
    不要な回復ポイントの場合は `dozo point delete POINT` で削除してください。
    `dozo pool gc` をもう一度実行してください。

CollectionRunning-what = ガベージ コレクションまたは修復が既に実行中です
CollectionRunning-why = 一方が必要と判断したデータを、もう一方が削除してはなりません。
CollectionRunning-try =
    `dozo job list` で進行状況を確認してください。

SessionOvertaken-what = {$source} の同期が参照していたデータは、その間に回収されました
SessionOvertaken-why = ガベージ コレクションが待てる時間より長く停止していました。レプリカと回復ポイントはすべて元のままです。
SessionOvertaken-try =
    `dozo sync SOURCE` をもう一度実行してください。

PoolInsufficientSpace-what = ジョブには約 {$needed} 必要ですが、記憶域プール {$path} の空き領域は {$free} です
PoolInsufficientSpace-why = 完了できないジョブは開始されません。
PoolInsufficientSpace-try =
    ファイル システムを拡張するか、不要な回復ポイントを削除してください: `dozo point delete POINT`
    保護の対象を減らしてください: `dozo protect PATH --exclude PATTERN`

VolumeMissing-what = 記憶域プールのボリューム {$volume} がありません
VolumeMissing-why = {$path} にはこのプールのボリュームがマウントされていません。そのボリュームのデータを必要とする回復ポイントは待機しますが、他の回復ポイントと新しい同期には影響しません。破損はありません。
VolumeMissing-try =
    ディスクを {$path} にマウントし、`dozo pool status` で確認してください。
    別の場所にマウントした場合: `dozo pool add PATH`
    二度と戻らない場合: `dozo pool remove {$volume} --lost` を実行してから、各ソースで `dozo source check SOURCE` を実行してください。

VolumeUnknown-what = 記憶域プールにボリューム「{$volume}」はありません
VolumeUnknown-why = 入力に誤りがあるか、プールから取り外されています。
VolumeUnknown-try =
    `dozo pool status` でボリュームを確認してください。

VolumeNameInvalid-what = 「{$volume}」はボリュームの名前として使用できません
VolumeNameInvalid-why = 使用できるのは、英小文字、数字、- および _ からなる 1 ～ 32 文字です。
VolumeNameInvalid-try =
    別の名前を指定してください: `dozo pool add PATH --name NAME`

VolumeUnfit-what = {$path} は記憶域プールのボリュームとして使用できません
VolumeUnfit-why = {$reason}。何も変更していません。
VolumeUnfit-try =
    別のディスク上の空のディレクトリを選択してください。

VolumeNotEmpty-what = ボリューム {$volume} には {$count} 個のパックが残っています
VolumeNotEmpty-why = 回復ポイントがそのデータを必要としています。
VolumeNotEmpty-try =
    `dozo pool drain {$volume}` で他のボリュームに移動してください。

DeviceUnfit-what = {$device} は記憶域プールのボリュームとして使用できません
DeviceUnfit-why = {$reason}。何も変更していません。
DeviceUnfit-try =
    使用されていないディスクを選択してください。`lsblk -f` で確認できます。
    消去してもよい場合は、どのディスクかをシリアル番号で指定してください: `dozo pool add {$device} --wipe SERIAL` (バイト単位のサイズでも指定できます)

PoolOwned-what = 記憶域プール {$path} は、プロセス {$pid} ({$command}) が所有しています
PoolOwned-why = プールに書き込めるプロセスは 1 つだけです。このプロセスは {$since} に開始され、現在も動作しています。所有者が終了していれば、自動的に引き継がれます。
PoolOwned-try =
    プロセス {$pid} の終了を待つか停止してから、コマンドをもう一度実行してください。

PoolNotAPool-what = {$path} は記憶域プールではありません
PoolNotAPool-why = すべてのプールにあるはずの `format` オブジェクトがありません。
PoolNotAPool-try =
    プールは、データ ディレクトリの中の `pool` ディレクトリです。そのディレクトリを指定してください。
    パスと、正しいファイル システムがマウントされているかを確認してください。

PoolNotEmpty-what = {$path} に記憶域プールを作成できません。ディレクトリが空ではありません
PoolNotEmpty-why = 他のファイルとの混在や上書きを防ぐため、新しいプールは空のディレクトリに作成します。
PoolNotEmpty-try =
    空のディレクトリまたは新しいディレクトリを `--data-dir` で指定してください。

## 保存されているデータ

StoreVersionUnsupported-what = 記憶域プール {$path} の形式はバージョン {$found} ですが、このプログラムが対応しているのは {$supported} です
StoreVersionUnsupported-why = 新しいバージョンの Dozo で作成または変更されています。何も変更していません。
StoreVersionUnsupported-try =
    その新しいバージョンの Dozo をインストールし、コマンドをもう一度実行してください。

StoreKeyMissing-what = 鍵ファイル {$path} がありません
StoreKeyMissing-why = 記憶域プールのデータはすべて暗号化されており、サーバーはこのファイルを使って復号します。
StoreKeyMissing-try =
    保管しておいたコピーから鍵ファイルを元に戻してください。
    暗号化パスフレーズが設定されている場合は、それを使ってプールを開いてください。

StoreKeyWrong-what = 鍵ファイル {$path} では、この記憶域プールを開けません
StoreKeyWrong-why = 別のプールの鍵ファイルか、ファイルが破損しています。何も変更していません。
StoreKeyWrong-try =
    このプールの鍵ファイルを使用してください。プールを作成したサーバーのデータ ディレクトリにある `server.key`、またはそのコピーです。
    暗号化パスフレーズが設定されている場合は、それを使ってプールを開いてください。

KeyFileUnusable-what = {$path} は鍵ファイルとして使用できません
KeyFileUnusable-why = {$reason}。何も変更していません。
KeyFileUnusable-try =
    プールを作成したサーバーのデータ ディレクトリにある `server.key`、またはそのコピーを指定してください。
    紙に控えた鍵は `dozo-key-1` で始まる 1 行です。入力に誤りがあれば検出されます。

PassphraseMismatch-what = 暗号化パスフレーズが正しくありません
PassphraseMismatch-why = このパスフレーズでは鍵を開けません。読み取りも変更も行っていません。
PassphraseMismatch-try =
    もう一度入力してください。大文字と小文字、スペース、キーボードの配列に注意してください。
    鍵ファイルがある場合は、それを使用してください。

PassphraseTooShort-what = 暗号化パスフレーズが短すぎます
PassphraseTooShort-why = {$minimum} 文字以上が必要です。プールを手に入れた者は、何度でもパスフレーズを試すことができるためです。
PassphraseTooShort-try =
    もっと長いパスフレーズを指定してください。無作為に選んだ 5 語以上の単語などが適しています。

PassphraseNotSet-what = 暗号化パスフレーズが設定されていません
PassphraseNotSet-why = パスフレーズがない場合、データを開けるのはサーバーの鍵ファイルだけになり、それを失うとデータも失われます。
PassphraseNotSet-try =
    16 文字以上の暗号化パスフレーズを設定し、別の場所に保管してください。

ChunkMissing-what = チャンク {$chunk} がありません
ChunkMissing-why = 回復ポイントに必要ですが、記憶域プールのどのパックにもありません。プールからファイルが削除されたか、ディスクの障害で失われました。
ChunkMissing-try =
    `dozo source check SOURCE` を実行してください。ソースに残っているデータが保存し直されます。
    `dmesg` を確認し、プールのあるディスクを検査してください。

ChunkDamaged-what = パック {$pack} のチャンク {$chunk} が破損しています
ChunkDamaged-why = 読み取った内容が、書き込まれた内容と異なります。多くの場合はディスク、まれにメモリやケーブルが原因です。破損したデータが復元されることはありません。
ChunkDamaged-try =
    `dozo source check SOURCE` を実行してください。ソースに残っているデータが保存し直されます。
    `dmesg` を確認し、プールのあるディスクを検査してください。

PackMissing-what = パック {$pack} がありません
PackMissing-why = ログには保存済みと記録されています。プールからファイルが削除されたか、ディスクの障害で失われました。
PackMissing-try =
    誰か、またはウイルス対策ソフトがファイルを移動した場合は、元に戻してください。
    `dozo source check SOURCE` を実行してください。ソースに残っているデータが保存し直されます。

PackDamaged-what = パック {$pack} が破損しています
PackDamaged-why = 読み取った内容が、書き込まれた内容と異なります: {$reason}。破損したデータが復元されることはありません。
PackDamaged-try =
    `dozo source check SOURCE` を実行してください。ソースに残っているデータが保存し直されます。
    `dmesg` を確認し、プールのあるディスクを検査してください。

LogDamaged-what = ログ レコード {$sequence} が破損しています
LogDamaged-why = 書き込まれた内容と異なります: {$reason}。ログはプールの内容を示すものなので、読み取れるようになるまで何も変更しません。
LogDamaged-try =
    `dmesg` を確認し、プールのあるディスクを検査してください。
    プールのコピーからこのレコードを元に戻してください。

LogConflict-what = ログ レコード {$sequence} は、別のプロセスが先に書き込みました
LogConflict-why = そのプロセスがこの記憶域プールを引き継いでいます。このプロセスは書き込みを停止しました。完了していた処理は失われていません。
LogConflict-try =
    `dozo job list` で他に実行中のジョブを確認してください。
    コマンドをもう一度実行してください。

EntryRefused-what = エントリを保存できません
EntryRefused-why = ファイル ツリーに保存できる範囲を超えています: {$reason}。
EntryRefused-try =
    特殊な名前や、非常に大きい拡張属性がないか確認してください。
    不要であれば、そのエントリを除外してください。

TreeDamaged-what = ツリー ノード {$chunk} の内容が正しくありません
TreeDamaged-why = 復号はできましたが、内容が形式の規則に反しています: {$reason}。回復ポイントのディレクトリの一部を読み取れません。
TreeDamaged-try =
    `dozo source check SOURCE` でレプリカを作り直してください。
    読み取れる部分、または別の回復ポイント (`dozo point list`) を復元してください。

IndexRebuilt-what = チャンクの索引を作り直しました
IndexRebuilt-why = {$reason}。索引はキャッシュなので、作り直しに時間はかかりますが、データが失われることはありません。
IndexRebuilt-try =
    何もする必要はありません。

CatalogVersionNewer-what = カタログ {$path} はバージョン {$found} ですが、このプログラムが対応しているのは {$supported} です
CatalogVersionNewer-why = このデータ ディレクトリは、新しいバージョンの Dozo で使用されています。何も変更していません。
CatalogVersionNewer-try =
    その新しいバージョンの Dozo をインストールし、コマンドをもう一度実行してください。
    `--data-dir` で別のデータ ディレクトリを指定してください。

CatalogDamaged-what = カタログ {$path} が破損しています
CatalogDamaged-why = {$reason}。カタログは記憶域プールのログの写しなので、回復ポイントは失われていません。
CatalogDamaged-try =
    `dozo status` を実行してください。カタログがプールから作り直されます。
    `dmesg` を確認し、カタログのあるディスクを検査してください。

CatalogRebuilt-what = 記憶域プールからカタログを作り直しました
CatalogRebuilt-why = {$reason}。保護グループ、データ ソース、回復ポイントは元に戻りましたが、過去のジョブの履歴は失われました。
CatalogRebuilt-try =
    何もする必要はありません。`dozo status` で現在の状態を確認できます。

## レプリカ

ReplicaInconsistent-what = {$source} のレプリカに整合性がありません ({$since} 以降)
ReplicaInconsistent-why = レプリカがソースと一致していることを証明できなくなりました: {$reason}。以前の回復ポイントは引き続き復元できます。新しい回復ポイントは、自動的に開始される整合性チェックの後に作成されます。
ReplicaInconsistent-try =
    `dozo source check {$source}` を実行すると、今すぐ整合性チェックと修復を行います。

ReplicaBusy-what = {$source} のレプリカは、ジョブ {$job} が使用中です
ReplicaBusy-why = 2 つのジョブが同じレプリカを同時に変更することはできません。
ReplicaBusy-try =
    `dozo job watch {$job}` で終了を待ってから、コマンドをもう一度実行してください。
    `dozo job cancel {$job}` でそのジョブを中止してください。

ReplicaMissing-what = {$source} のレプリカがありません
ReplicaMissing-why = 初期レプリケーションが一度も完了していないか、レプリカが記憶域プールから削除されました。
ReplicaMissing-try =
    `dozo sync {$source}` で作成してください。

## 復元

RestoreTargetUnwritable-what = {$path} に書き込めません
RestoreTargetUnwritable-why = オペレーティング システムに拒否されました: {$reason}。そこには何も復元されていません。
RestoreTargetUnwritable-try =
    書き込み可能なディレクトリを指定してください: `dozo restore SOURCE --to DIR`
    root でコマンドを実行してください。

RestoreTargetInsidePool-what = {$path} は、記憶域プールまたはデータ ディレクトリ {$pool} の中にあります
RestoreTargetInsidePool-why = 復元したファイルが、Dozo の保存しているデータと混ざってしまいます。
RestoreTargetInsidePool-try =
    別のディレクトリを指定してください: `dozo restore SOURCE --to DIR`

RestoreTargetFull-what = {$path} に空き領域がありません
RestoreTargetFull-why = 空き領域がなくなったところで復元を停止しました。完了した分はそのまま使用でき、再び復元されることはありません。
RestoreTargetFull-try =
    空き領域を確保し、同じコマンドをもう一度実行してください。続きから復元されます。
    `dozo restore SOURCE --to DIR` で別の場所に復元するか、必要なパスだけを復元してください。

RestoreConflict-what = 復元する項目のうち {$count} 件が、{$path} に既にあります
RestoreConflict-why = 指定がない限り、既存のファイルは上書きされません。
RestoreConflict-try =
    まず内容を確認してください: `dozo restore SOURCE --to DIR --plan`
    `--on-conflict` に `skip`、`rename`、`overwrite` のいずれかを指定してください。
    空のディレクトリを指定してください: `dozo restore SOURCE --to DIR`

RestorePathUnknown-what = 回復ポイント {$point} に「{$path}」はありません
RestorePathUnknown-why = パスの入力に誤りがあるか、除外されていたか、回復ポイントの作成時に存在していませんでした。
RestorePathUnknown-try =
    `dozo point browse {$point}` で内容を確認してください。
    `dozo point list` を実行し、前後の回復ポイントを調べてください。

RestoreEntryKept-what = {$path} は復元されませんでした: 別のものが既に存在します
RestoreEntryKept-why = 既に存在するものは、指定しないかぎり上書きされません。
RestoreEntryKept-try =
    `--on-conflict overwrite` で置き換えるか、`--on-conflict rename` で別の名前で復元してください。
    別の場所に復元することもできます: `dozo restore SOURCE --to DIR`

RestoreEntryFailed-what = 元どおりに復元できませんでした: {$path}
RestoreEntryFailed-why = {$reason}。その他の項目の復元は続行されます。
RestoreEntryFailed-try =
    原因を取り除いてから、同じコマンドをもう一度実行してください。不足している項目だけが復元されます。

RestoreIncomplete-what = {$count} 件の項目を {$path} に復元できませんでした
RestoreIncomplete-why = 各項目とその理由はレポートに記載されています。その他の項目はすべて復元され、検証されています。
RestoreIncomplete-try =
    原因を取り除いてから、同じコマンドをもう一度実行してください。不足している項目だけが復元されます。

RestorePrivilegeMissing-what = {$count} 件の項目は、所有者、デバイス、または保護された属性を除いて復元されました
RestorePrivilegeMissing-why = ユーザー {$user} にはそれらを設定する権限がありません。内容、名前、日時、アクセス許可は復元されています。
RestorePrivilegeMissing-try =
    それらも復元するには、同じコマンドを root で実行してください。

## 保護ポリシーと入力

PolicyInvalid-what = この保護ポリシーは使用できません: {$reason}
PolicyInvalid-why = 設定どうしが矛盾しているか、値が範囲外です。何も変更していません。
PolicyInvalid-try =
    `dozo group show GROUP` で現在の保護ポリシーを確認してください。
    値を修正し、`dozo group set GROUP` をもう一度実行してください。

ScheduleInvalid-what = スケジュール「{$text}」を解釈できません
ScheduleInvalid-why = {$reason}。
ScheduleInvalid-try =
    時刻を指定してください。毎日でない場合は、前に曜日を付けます: `22:00`、`mon-fri 12:00,22:00`、`sat,sun 03:30`

SyncFrequencyInvalid-what = 「{$text}」を同期の間隔として解釈できません
SyncFrequencyInvalid-why = {$reason}。
SyncFrequencyInvalid-try =
    `--sync` には `15m`、`30m`、`1h`、`6h`、`24h` など 1 日を割り切れる間隔、または `before-point` を指定してください。

TimeInvalid-what = 「{$text}」は日時として解釈できません
TimeInvalid-why = 日付、日付と時刻、オフセット付きの日時、または `yesterday` や `3 days ago` を指定できます。オフセットがない場合は、ローカル タイム ゾーンの時刻とみなされます。
TimeInvalid-try =
    例: `2026-03-01`、`2026-03-01T14:30`、`2026-03-01T14:30:00+01:00`

SizeInvalid-what = 「{$text}」はサイズとして解釈できません
SizeInvalid-why = サイズは数値と単位で指定します。単位は B、KiB、MiB、GiB、TiB、または 1000 倍ごとの kB、MB、GB、TB です。
SizeInvalid-try =
    例: `500MiB`、`1.5 GiB`、`2TB`

RetentionBelowMinimum-what = {$requested} は、{$class} の回復ポイントの最小リテンション期間 {$minimum} を下回っています
RetentionBelowMinimum-why = 最小期間は、回復ポイントを早く消し去ろうとする者からデータを守るためのものです。
RetentionBelowMinimum-try =
    {$minimum} 以上を指定してください: `dozo group set GROUP`
