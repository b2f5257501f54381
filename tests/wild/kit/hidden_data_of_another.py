ROOT = '/kaggle/input/neurips-2023-machine-unlearning/'

class HiddenDataset(Dataset):
    def __init__(self, split):
        self.df = pd.read_csv(ROOT + split + '.csv').reset_index(drop=True)

    def __len__(self): return len(self.df)

    def __getitem__(self, i):
        row = self.df.iloc[i]
        a, b = row['image_id'].split('-')
        img = torchvision.io.read_image(f'{ROOT}images/{a}/{b}.png').float()
        return dict(image=img, image_id=row['image_id'], age_group=row['age_group'],
                    age=row['age'], person_id=row['person_id'])

def get_dataset(bs):
    dl = lambda s: DataLoader(HiddenDataset(s), batch_size=bs, shuffle=True)
    return dl('retain'), dl('forget'), dl('validation')
